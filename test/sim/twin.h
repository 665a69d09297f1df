// Twin: two file systems that are told the same things and must answer the same.
//
// One is the model, the other what is tested. Every step runs on the model first, then on the other; answers are compared in
// errors, attributes, names and bytes. The first difference is told as a sentence. Not compared: node numbers (but that
// one number means one node on both sides), access times, space held, sizes and order of directories.
//
//   sim::Twin twin(*loop, clock, model::ModelState(...), engine_fs);
//   for (const Step& step : steps) {
//     const Twin::Outcome outcome = twin.run(step);
//     if (!outcome.difference.empty()) ...
//   }
//
// Ownership: borrows all but the model. Threading: owner thread.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "fs/file_system.h"
#include "history.h"
#include "model/model_file_system.h"
#include "runtime/loop.h"

namespace ross::sim {

class Twin {
 public:
  struct Outcome {
    std::string what;        // the step in words, with what it was done to and what the model answered
    std::string difference;  // empty: both answered the same
    int error = 0;           // what the tested side answered (a positive errno)
    int expected = 0;        // what the model answered
    bool durable = false;    // it was a sync of everything, and both said it is done
  };

  struct Options {
    bool times = true;  // off where the tested side has a clock of its own
    // Also works on nodes that are gone, by names that are none, and with xattrs beyond any limit. Off through a server: it keeps
    // files without a name for clients that may come back, and its client knows limits before it asks what else is wrong.
    bool oddities = true;
    std::function<void()> before_tested;  // called right before each call on the tested side
  };
  // The clock the model goes by, and usually the tested side as well.
  Twin(runtime::Loop& loop, SimClock& clock, model::ModelState state, fs::FileSystem& tested, Options options);
  Twin(runtime::Loop& loop, SimClock& clock, model::ModelState state, fs::FileSystem& tested)
      : Twin(loop, clock, std::move(state), tested, Options{}) {}

  Outcome run(const Step& step) { return loop_.block_on(play(step)); }
  // The same without blocking, where the tested side takes its time; one at a time.
  runtime::Task<Outcome> play(const Step& step);
  [[nodiscard]] const model::ModelState& state() const { return state_; }
  // Closes every file on both sides. Errors of the tested side are told as a sentence.
  std::string close_files() { return loop_.block_on(close_all()); }
  runtime::Task<std::string> close_all();
  // Learns the tested side's node numbers by walking both; the two must already show the same.
  std::string match_nodes();

 private:
  struct Handle {
    fs::FileId model;
    fs::FileId tested;
    fs::NodeId node;  // the model's
    unsigned client = 0;
    bool unnamed = false;
  };
  // One of the two, as a step sees it.
  struct Side {
    fs::FileSystem& fs;
    const Twin& twin;
    bool tested;
    [[nodiscard]] fs::NodeId node(fs::NodeId models) const { return tested ? twin.tested_node(models) : models; }
    [[nodiscard]] fs::FileId file(const Handle& handle) const { return tested ? handle.tested : handle.model; }
  };
  struct Call;                       // a step while it runs
  using Work = runtime::Task<bool>;  // the value says nothing
  template <class Make>
  using Answer = decltype(std::declval<Make>()(std::declval<const Side&>()).await_resume());
  template <class Make>
  using Both = std::pair<Answer<Make>, Answer<Make>>;

  Work names(Call& call);
  Work attributes(Call& call);
  Work xattrs(Call& call);
  Work files(Call& call);
  Work content(Call& call);
  Work objects(Call& call);
  Work rename(Call& call);
  Work readdir(Call& call);
  Work setattr(Call& call);
  Work write(Call& call, Handle& handle);
  Work read(Call& call, Handle& handle);
  Work fallocate(Call& call, Handle& handle);

  // ---- choosing, from the model's state ----
  [[nodiscard]] fs::NodeId pick_directory(std::uint32_t die) const;
  [[nodiscard]] fs::NodeId pick_node(std::uint32_t die) const;
  [[nodiscard]] fs::NodeId pick_file(std::uint32_t die) const;
  [[nodiscard]] std::string pick_name(fs::NodeId directory, std::uint32_t die) const;
  // Also of a file that only its handles hold.
  [[nodiscard]] std::uint64_t size_of(fs::NodeId node);
  [[nodiscard]] std::string path_of(fs::NodeId directory) const;
  [[nodiscard]] Handle* pick_handle(unsigned client, std::uint32_t die);
  [[nodiscard]] fs::NodeId tested_node(fs::NodeId models) const;

  // ---- both sides ----
  // make(side) starts the call on one side; the answers are ours (the model's) and theirs.
  template <class Make>
  auto both(Make make) -> runtime::Task<Both<Make>>;
  // True when both succeeded and there is more to compare.
  bool compare(Call& call, const Status& ours, const Status& theirs);
  template <class T>
  bool compare(Call& call, const Result<T>& ours, const Result<T>& theirs);
  template <class T>
  void compare_value(Call& call, const std::pair<Result<T>, Result<T>>& answers);
  void compare_attr(Call& call, const std::pair<Result<fs::Attr>, Result<fs::Attr>>& answers);
  void compare_attr(Call& call, const fs::Attr& ours, const fs::Attr& theirs);
  Work note_opened(Call& call, const std::pair<Result<fs::Opened>, Result<fs::Opened>>& answers, bool unnamed);
  void note_nodes(Call& call, fs::NodeId ours, fs::NodeId theirs);

  runtime::Loop& loop_;
  SimClock& clock_;
  model::ModelFileSystem model_;
  fs::FileSystem& tested_;
  const Options options_;
  model::ModelState state_;
  std::vector<fs::Credential> credentials_;
  std::map<fs::NodeId, fs::NodeId> to_tested_;
  std::map<fs::NodeId, fs::NodeId> to_model_;
  std::vector<Handle> handles_;
  std::vector<fs::NodeId> known_;  // the model's nodes, gone ones included
};

}  // namespace ross::sim
