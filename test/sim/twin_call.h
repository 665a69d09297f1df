// What the parts of Twin share while a step runs: the step, its dice, what came of it so far. Threading: owner thread.
#pragma once

#include <fmt/format.h>

#include <string>
#include <utility>

#include "twin.h"

namespace ross::sim {

struct Twin::Call {
  const Step& step;
  const fs::Credential& cred;
  Outcome outcome;

  [[nodiscard]] std::uint32_t die(std::size_t index) const { return step.dice[index]; }
  [[nodiscard]] std::uint32_t below(std::size_t index, std::uint32_t bound) const { return step.dice[index] % bound; }
  void differs(std::string text) {
    if (outcome.difference.empty()) outcome.difference = std::move(text);
  }
  template <class... Args>
  void say(fmt::format_string<Args...> text, Args&&... args) {
    outcome.what += " " + fmt::format(text, std::forward<Args>(args)...);
  }
};

template <class Make>
auto Twin::both(Make make) -> runtime::Task<Both<Make>> {
  const Side ours{model_, *this, false};
  const Side theirs{tested_, *this, true};
  auto our_answer = co_await make(ours);
  if (options_.before_tested) options_.before_tested();
  auto their_answer = co_await make(theirs);
  co_return Both<Make>(std::move(our_answer), std::move(their_answer));
}

template <class T>
bool Twin::compare(Call& call, const Result<T>& ours, const Result<T>& theirs) {
  return compare(call, ours ? Status() : ours.error(), theirs ? Status() : theirs.error());
}

template <class T>
void Twin::compare_value(Call& call, const std::pair<Result<T>, Result<T>>& answers) {
  const auto& [ours, theirs] = answers;
  if (!compare(call, ours, theirs)) return;
  if (*ours != *theirs) call.differs(fmt::format("answered '{}', the model '{}'", *theirs, *ours));
}

}  // namespace ross::sim
