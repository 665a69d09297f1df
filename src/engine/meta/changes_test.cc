#include "engine/meta/changes.h"

#include <gtest/gtest.h>

#include <map>
#include <vector>

#include "base/random.h"

namespace ross::engine {
namespace {

std::vector<std::string> keys_from(const Changes& changes, std::string_view from) {
  std::vector<std::string> keys;
  for (Changes::Cursor cursor = changes.from(from); cursor.get() != nullptr; cursor.next()) {
    keys.push_back(cursor.get()->key);
  }
  return keys;
}

// Keys of few different bytes, zero and 0xff among them, around the length that lies in the tree itself.
std::string any_key(Random& random) {
  constexpr std::string_view kBytes("\0a\xff", 3);
  std::string key(random.below(4) == 0 ? random.below(30) : 22 + random.below(5), 'a');
  for (char& byte : key) {
    if (random.below(8) == 0) byte = kBytes[random.below(kBytes.size())];
  }
  return key;
}

TEST(ChangesTest, AgreesWithAMapOfStrings) {
  Random random(7);
  Changes changes;
  std::map<std::string, std::optional<std::string>> model;
  for (int i = 0; i < 20'000; ++i) {
    std::string key = any_key(random);
    std::optional<std::string> value;
    if (random.below(2) == 0) value = std::to_string(i);
    model[key] = value;
    changes.set(key, value);
  }
  ASSERT_EQ(changes.size(), model.size());
  std::vector<std::string> keys;
  for (const auto& [key, value] : model) {
    const Change* const change = changes.find(key);
    ASSERT_NE(change, nullptr);
    EXPECT_EQ(change->value, value);
    keys.push_back(key);
  }
  EXPECT_EQ(keys_from(changes, ""), keys);
  for (int i = 0; i < 200; ++i) {
    const std::string from = any_key(random);
    EXPECT_EQ(keys_from(changes, from),
              std::vector<std::string>(std::lower_bound(keys.begin(), keys.end(), from), keys.end()));
    EXPECT_EQ(changes.find(from) != nullptr, model.contains(from));
  }
}

}  // namespace
}  // namespace ross::engine
