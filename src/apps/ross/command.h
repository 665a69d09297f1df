// What a command is: a few lines of the command line's grammar and a function that does the work.
//
// Each file of commands/ adds one command with add_NAME(commands): it names its arguments and hands over a function.
// Only the command that was called runs, after the whole line has been read.
//
//   auto paths = std::make_shared<std::vector<std::string>>();
//   Command& command = commands.add("cat", "Write files to standard output");
//   command.option("PATH", *paths, "The files").required();
//   command.on_run([paths](Context& context) { ... });
//
// Ownership: commands live as long as Commands; values are borrowed until the line has been read.
// Threading: owner thread.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "apps/options/options.h"
#include "apps/ross/context.h"

namespace ross::cli {

class Commands;

using apps::Argument;

class Command : public apps::Options {
 public:
  // What a command returns: success, or the one thing that kept it from going on, with the path in front. What it
  // reported through the context makes it fail too.
  using Run = std::function<Status(Context& context)>;

  Command(Commands& commands, CLI::App* app) : Options(app), commands_(commands) {}
  // An option whose value is a size (64G, 1.5TiB).
  Argument size(const std::string& names, std::uint64_t& value, const std::string& description);
  Argument size(const std::string& names, std::optional<std::uint64_t>& value, const std::string& description);
  void on_run(Run run);
  // A command below this one, which then does nothing alone.
  Command& add(const std::string& name, const std::string& description);

 private:
  friend class Commands;
  Commands& commands_;
};

// A command as completion scripts need it.
struct Described {
  std::string path;                                          // "pool create"; empty for ross itself
  std::vector<std::pair<std::string, std::string>> words;    // the commands below it, and what they do
  std::vector<std::pair<std::string, std::string>> options;  // "--json", "-r", and what they do
};

class Commands {
 public:
  Commands();
  ~Commands();
  Commands(const Commands&) = delete;
  Commands& operator=(const Commands&) = delete;

  Command& add(const std::string& name, const std::string& description);
  // Reads a command line. The program's exit code if it ends here: 0 after --help, 2 for a bad line, told on
  // standard error.
  std::optional<int> parse(int argc, const char* const* argv);
  [[nodiscard]] bool json() const { return json_; }
  // Runs the command that was called.
  Status run(Context& context) const;
  [[nodiscard]] std::vector<Described> describe() const;

 private:
  friend class Command;
  Command& adopt(CLI::App* app);
  std::unique_ptr<CLI::App> app_;
  std::deque<Command> commands_;
  Command::Run chosen_;
  bool json_ = false;
};

// Calls each(text) for every path until Ctrl-C, reporting failures under the path; the command goes on with the rest.
Status for_each_path(Context& context, const std::vector<std::string>& paths,
                     const std::function<Status(const std::string& path)>& each);

void add_auth(Commands& commands);
void add_bench(Commands& commands);
void add_cat(Commands& commands);
void add_completion(Commands& commands);
void add_container(Commands& commands);
void add_cp(Commands& commands);
void add_df(Commands& commands);
void add_du(Commands& commands);
void add_find(Commands& commands);
void add_fsck(Commands& commands);
void add_get(Commands& commands);
void add_ln(Commands& commands);
void add_ls(Commands& commands);
void add_metrics(Commands& commands);
void add_mkdir(Commands& commands);
void add_mv(Commands& commands);
void add_pool(Commands& commands);
void add_put(Commands& commands);
void add_rm(Commands& commands);
void add_session(Commands& commands);
void add_stat(Commands& commands);
void add_sync(Commands& commands);
void add_version(Commands& commands);
// All of the above.
void add_commands(Commands& commands);

}  // namespace ross::cli
