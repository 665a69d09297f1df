// The options of a program's command line: names, where their values go, and what is allowed.
//
//   Options options("Serves a pool", "serve");
//   options.option("--size", size_bytes, "Of a call").between(1, 64 << 20);
//   if (const auto ended = options.parse(argc, argv)) return *ended;
//
// CLI11 reads the line. Its headers take a compiler ten seconds, so that only few files include them.
//
// Ownership: values are borrowed until the line has been read. Threading: owner thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace ross::apps {

// One option or positional argument, to say more about it.
class Argument {
 public:
  explicit Argument(CLI::Option* option) : option_(option) {}
  Argument& required();
  Argument& at_least(unsigned count);  // of a list
  Argument& one_each();                // of a list: "--x a --x b", never "--x a b"
  Argument& commas();                  // of a list: "--x a,b"
  Argument& one_of(std::vector<std::string> words);
  Argument& between(double least, double most);
  Argument& excludes(const Argument& other);
  Argument& type(const std::string& word);  // what the help calls its value
  // check returns why a value is wrong, or nothing.
  Argument& checked(std::function<std::string(const std::string& text)> check);

 private:
  CLI::Option* option_;
};

// The options of a program, or of one of its commands.
class Options {
 public:
  Options(const std::string& description, const std::string& program);
  explicit Options(CLI::App* app);  // borrowed: a command's
  ~Options();
  Options(const Options&) = delete;
  Options& operator=(const Options&) = delete;

  // Names as "-r,--recursive"; a name without '-' is a positional argument.
  Argument option(const std::string& names, std::string& value, const std::string& description = {});
  Argument option(const std::string& names, std::vector<std::string>& values, const std::string& description = {});
  Argument option(const std::string& names, int& value, const std::string& description = {});
  Argument option(const std::string& names, unsigned& value, const std::string& description = {});
  Argument option(const std::string& names, std::uint64_t& value, const std::string& description = {});
  Argument option(const std::string& names, std::int64_t& value, const std::string& description = {});
  Argument option(const std::string& names, double& value, const std::string& description = {});
  Argument flag(const std::string& names, bool& value, const std::string& description = {});
  // Behind the options in the help.
  void footer(const std::string& text);
  // What --version prints.
  void version(const std::string& text);
  // Reads a command line. The program's exit code if it ends here: 0 after --help and --version, 2 for a bad line,
  // told on standard error.
  [[nodiscard]] std::optional<int> parse(int argc, const char* const* argv);

 protected:
  [[nodiscard]] CLI::App& app() { return *app_; }

 private:
  std::unique_ptr<CLI::App> own_;
  CLI::App* const app_;
};

}  // namespace ross::apps
