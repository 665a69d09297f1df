#include "apps/options/options.h"

#include <CLI/CLI.hpp>

namespace ross::apps {
namespace {

constexpr int kListMax = 1 << 20;  // arguments of a list
constexpr int kBadLine = 2;

}  // namespace

Argument& Argument::required() { return option_->required(), *this; }
Argument& Argument::at_least(unsigned count) { return option_->expected(static_cast<int>(count), kListMax), *this; }
Argument& Argument::one_each() { return option_->expected(1)->take_all(), *this; }
Argument& Argument::commas() { return option_->delimiter(','), *this; }
Argument& Argument::one_of(std::vector<std::string> words) {
  return option_->check(CLI::IsMember(std::move(words))), *this;
}
Argument& Argument::between(double least, double most) { return option_->check(CLI::Range(least, most)), *this; }
Argument& Argument::excludes(const Argument& other) { return option_->excludes(other.option_), *this; }
Argument& Argument::type(const std::string& word) { return option_->type_name(word), *this; }
Argument& Argument::checked(std::function<std::string(const std::string& text)> check) {
  option_->check(CLI::Validator([check = std::move(check)](std::string& text) { return check(text); }, ""));
  return *this;
}

Options::Options(const std::string& description, const std::string& program)
    : own_(std::make_unique<CLI::App>(description, program)), app_(own_.get()) {}
Options::Options(CLI::App* app) : app_(app) {}
Options::~Options() = default;

Argument Options::option(const std::string& names, std::string& value, const std::string& description) {
  return Argument(app_->add_option(names, value, description));
}
Argument Options::option(const std::string& names, std::vector<std::string>& values, const std::string& description) {
  return Argument(app_->add_option(names, values, description));
}
Argument Options::option(const std::string& names, int& value, const std::string& description) {
  return Argument(app_->add_option(names, value, description));
}
Argument Options::option(const std::string& names, unsigned& value, const std::string& description) {
  return Argument(app_->add_option(names, value, description));
}
Argument Options::option(const std::string& names, std::uint64_t& value, const std::string& description) {
  return Argument(app_->add_option(names, value, description));
}
Argument Options::option(const std::string& names, std::int64_t& value, const std::string& description) {
  return Argument(app_->add_option(names, value, description));
}
Argument Options::option(const std::string& names, double& value, const std::string& description) {
  return Argument(app_->add_option(names, value, description));
}
Argument Options::flag(const std::string& names, bool& value, const std::string& description) {
  return Argument(app_->add_flag(names, value, description));
}

void Options::footer(const std::string& text) { app_->footer(text); }
void Options::version(const std::string& text) { app_->set_version_flag("--version", text); }

std::optional<int> Options::parse(int argc, const char* const* argv) {
  try {
    app_->parse(argc, argv);
    return std::nullopt;
  } catch (const CLI::ParseError& error) {
    return app_->exit(error) == 0 ? 0 : kBadLine;
  }
}

}  // namespace ross::apps
