// Output: what a command prints on standard output, as text for people or as JSON for programs.
//
// A command says both forms of each thing; --json decides which one appears. Lists stream: a million entries are
// printed as they come. With JSON, one document is printed in all: an object, or an array of items.
//
//   out.begin_list();
//   for (...) out.item(json, "{:>10}  {}", size, name);
//   out.object({{"clean", true}}, "clean\n");
//
// A closed pipe is remembered (failed()), long listings stop on it, and it ends the program quietly.
// Threading: owner thread.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>

#include "apps/ross/present/json.h"
#include "base/status.h"

namespace ross::cli {

// A name or path for JSON, which holds text only: bytes that are no UTF-8 are replaced, and key + "_hex" has them all.
void put_name(Json& object, const std::string& key, std::string_view name);

class Output {
 public:
  // fd is borrowed: standard output, or a test's pipe.
  Output(int fd, bool json);
  ~Output();
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  void set_json(bool json) { json_ = json; }
  [[nodiscard]] bool json() const { return json_; }
  [[nodiscard]] bool terminal() const { return terminal_; }
  // A name as the reader can take it: escaped on a terminal, its very bytes elsewhere.
  [[nodiscard]] std::string name(std::string_view bytes) const;

  void begin_list();
  // One element of the list; text is its line for people, with its line feed.
  void item(const Json& json, std::string_view text);
  void end_list();
  // The whole answer of a command that has one.
  void object(const Json& json, std::string_view text);
  // Appears only without --json.
  void text(std::string_view text);
  // Bytes as they are, in either mode.
  void bytes(std::string_view bytes);

  // Prints what is still buffered. The first error of writing, or success; EPIPE is one.
  Status flush();
  [[nodiscard]] bool failed() const { return error_ != 0; }

 private:
  static constexpr std::size_t kBufferBytes = 64 * 1024;
  const int fd_;
  const bool terminal_;
  bool json_;
  bool first_ = true;
  int error_ = 0;
  std::string buffer_;
};

}  // namespace ross::cli
