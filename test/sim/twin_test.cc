// Twin and the histories it runs: two models never differ, whatever the seed; one that was tampered with is found out.
#include "twin.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <set>

#include "model/compare.h"

namespace ross::sim {
namespace {

class TwinTest : public testing::Test {
 protected:
  void SetUp() override {
    auto made = runtime::Loop::create({.clock = &clock_});
    ASSERT_TRUE(made.has_value());
    loop_ = std::move(*made);
  }
  SimClock clock_;
  std::unique_ptr<runtime::Loop> loop_;
};

TEST_F(TwinTest, TwoModelsNeverDifferAndHistoriesReachEverything) {
  std::set<std::pair<Verb, bool>> reached;
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    model::ModelFileSystem tested(clock_);
    Twin twin(*loop_, clock_, tested.state(), tested);
    for (const Step& step : draw_history(seed, {.steps_min = 60, .steps_max = 200})) {
      const Twin::Outcome outcome = twin.run(step);
      ASSERT_EQ(outcome.difference, "") << "seed " << seed << ": " << outcome.what;
      reached.insert({step.verb, outcome.error == 0});
    }
    ASSERT_EQ(twin.close_files(), "");
    const auto left = loop_->block_on(model::difference(tested, twin.state()));
    ASSERT_TRUE(left.has_value());
    ASSERT_EQ(*left, "");
  }
  for (std::size_t verb = 0; verb < kVerbs; ++verb) {
    EXPECT_TRUE(reached.contains({static_cast<Verb>(verb), true})) << verb_name(static_cast<Verb>(verb));
  }
  for (const Verb verb : {Verb::kCreate, Verb::kRename, Verb::kRmdir, Verb::kSetattr, Verb::kFallocate, Verb::kWrite}) {
    EXPECT_TRUE(reached.contains({verb, false})) << verb_name(verb) << " never failed";
  }
}

TEST_F(TwinTest, OneChangedByteIsFoundOut) {
  int found = 0;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    model::ModelFileSystem tested(clock_);
    Twin twin(*loop_, clock_, tested.state(), tested);
    const std::vector<Step> steps = draw_history(seed, {.steps_min = 300, .steps_max = 300});
    std::string difference;
    for (std::size_t i = 0; i < steps.size() && difference.empty(); ++i) {
      // Halfway, behind the twin's back, a file of the tested side changes.
      if (i == 150) {
        const model::ModelState before = tested.state();
        for (const auto& [id, node] : before.nodes()) {
          if (node->attr.size_bytes == 0 || (node->attr.mode & S_IFMT) != S_IFREG) continue;
          const auto opened = loop_->block_on(tested.open({}, id, {.read = true, .write = true}));
          ASSERT_TRUE(opened.has_value());
          char byte = 0;
          ASSERT_TRUE(loop_->block_on(tested.read(opened->file, 0, memory::Memory(&byte, 1))).has_value());
          byte = static_cast<char>(byte + 1);
          ASSERT_TRUE(loop_->block_on(tested.write(opened->file, 0, memory::Memory(&byte, 1))).has_value());
        }
      }
      difference = twin.run(steps[i]).difference;
    }
    found += !difference.empty();
  }
  EXPECT_GT(found, 10);
}

}  // namespace
}  // namespace ross::sim
