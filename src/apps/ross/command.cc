#include "apps/ross/command.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>

#include "apps/ross/interrupt.h"
#include "apps/ross/present/explain.h"
#include "apps/ross/present/size.h"

namespace ross::cli {
namespace {

std::uint64_t size_or_throw(const std::string& names, const std::string& text) {
  const Result<std::uint64_t> size = parse_size(text);
  // CLI11's way to refuse a value; Commands::parse turns it into a line and an exit code.
  if (!size.has_value()) throw CLI::ValidationError(names, size.error().message());
  return *size;
}

void describe_below(const CLI::App& app, const std::string& path, std::vector<Described>& all) {
  Described described;
  described.path = path;
  for (const CLI::Option* const option : app.get_options()) {
    for (const std::string& name : option->get_lnames())
      described.options.emplace_back("--" + name, option->get_description());
    for (const std::string& name : option->get_snames())
      described.options.emplace_back("-" + name, option->get_description());
  }
  const auto children = app.get_subcommands([](const CLI::App*) { return true; });
  for (const CLI::App* const child : children)
    described.words.emplace_back(child->get_name(), child->get_description());
  all.push_back(std::move(described));
  for (const CLI::App* const child : children) {
    describe_below(*child, path.empty() ? child->get_name() : path + " " + child->get_name(), all);
  }
}

}  // namespace

Argument Command::size(const std::string& names, std::uint64_t& value, const std::string& description) {
  const auto take = [names, &value](const std::string& text) { value = size_or_throw(names, text); };
  return Argument(app().add_option_function<std::string>(names, take, description)->type_name("SIZE"));
}
Argument Command::size(const std::string& names, std::optional<std::uint64_t>& value, const std::string& description) {
  const auto take = [names, &value](const std::string& text) { value = size_or_throw(names, text); };
  return Argument(app().add_option_function<std::string>(names, take, description)->type_name("SIZE"));
}
void Command::on_run(Run run) {
  app().callback([&commands = commands_, run = std::move(run)] { commands.chosen_ = run; });
}
Command& Command::add(const std::string& name, const std::string& description) {
  app().require_subcommand(1);
  return commands_.adopt(app().add_subcommand(name, description));
}

Commands::Commands() : app_(std::make_unique<CLI::App>("ross: files and objects in ROSS pools", "ross")) {
  app_->footer(
      "A path in a container is local:POOL_DIRECTORY/CONTAINER/PATH, or :/PATH below what ROSS_URL names.\n"
      "Other paths are the host's. 'ross COMMAND --help' tells more.");
  app_->require_subcommand(1);
  app_->add_flag("--json", json_, "Print JSON");
  app_->set_version_flag("--version", "ross " ROSS_VERSION);
}
Commands::~Commands() = default;

Command& Commands::add(const std::string& name, const std::string& description) {
  return adopt(app_->add_subcommand(name, description));
}

Command& Commands::adopt(CLI::App* app) {
  app->fallthrough();  // --json may stand anywhere
  return commands_.emplace_back(*this, app);
}

std::optional<int> Commands::parse(int argc, const char* const* argv) {
  try {
    app_->parse(argc, argv);
    return std::nullopt;
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app_->exit(error);  // --help, --version
    std::string what = error.what();
    // CLI11 says only that a command is missing when it does not know the one given.
    const auto known = [&](const CLI::App* command) { return command->get_name() == argv[1]; };
    if (argc > 1 && argv[1][0] != '-' &&
        std::ranges::none_of(app_->get_subcommands([](const CLI::App*) { return true; }), known)) {
      what = "there is no command '" + std::string(argv[1]) + "'";
    }
    const Status status(EINVAL, what + ": see 'ross --help'");
    std::fprintf(stderr, "%s\n", explain({}, status).c_str());
    return 2;
  }
}

Status Commands::run(Context& context) const {
  return chosen_ ? chosen_(context) : Status(EINVAL, "no command was given: see 'ross --help'");
}

std::vector<Described> Commands::describe() const {
  std::vector<Described> all;
  describe_below(*app_, "", all);
  return all;
}

Status for_each_path(Context& context, const std::vector<std::string>& paths,
                     const std::function<Status(const std::string& path)>& each) {
  for (const std::string& path : paths) {
    if (interrupted() || context.out.failed()) break;
    const Status status = each(path);
    if (!status.ok()) context.report(path, status);
  }
  return {};
}

void add_commands(Commands& commands) {
  add_pool(commands);
  add_container(commands);
  add_ls(commands);
  add_stat(commands);
  add_cp(commands);
  add_cat(commands);
  add_put(commands);
  add_get(commands);
  add_mv(commands);
  add_ln(commands);
  add_rm(commands);
  add_metrics(commands);
  add_mkdir(commands);
  add_find(commands);
  add_du(commands);
  add_df(commands);
  add_sync(commands);
  add_fsck(commands);
  add_auth(commands);
  add_session(commands);
  add_bench(commands);
  add_completion(commands);
  add_version(commands);
}

}  // namespace ross::cli
