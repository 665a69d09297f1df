// ross auth: who is who: an authority's folder, certificates, signed tokens, and what is revoked.
#include <algorithm>
#include <cstdlib>

#include "apps/ross/command.h"
#include "apps/ross/present/table.h"
#include "apps/ross/present/text.h"
#include "base/clock.h"
#include "client/control.h"
#include "identity/pki/authority.h"

namespace ross::cli {
namespace {

using identity::Authority;
using identity::Issued;

constexpr std::int64_t kSecondNs = 1'000'000'000;

struct AuthOptions {
  std::string folder;
  std::string name;
  std::string access = "admin";
  std::vector<std::string> servers;
  std::vector<std::string> addresses;
  unsigned days = 365;
  unsigned seconds = 3600;
  bool server = false;
  bool once = false;
  bool certificate = false;
  bool token = false;
};

std::string folder_of(const AuthOptions& options) {
  if (!options.folder.empty()) return options.folder;
  const char* const variable = std::getenv("ROSS_AUTH");
  return variable != nullptr && *variable != '\0' ? variable : "/etc/ross/auth";
}

Status init(Context& context, const AuthOptions& options) {
  const auto authority = Authority::init(folder_of(options), options.days);
  if (!authority.has_value()) return authority.error();
  Json json;
  put_name(json, "folder", folder_of(options));
  context.out.object(
      json, fmt::format("made {}: keep ca.key and token.key here; servers need ca.pem, token.pub and revoked\n",
                        context.out.name(folder_of(options))));
  return {};
}

Json json_of(const Issued& issued) {
  Json json;
  json["serial"] = issued.serial;
  json["kind"] = issued.kind;
  json["name"] = issued.name;
  json["expires_ns"] = issued.expires_s * kSecondNs;
  return json;
}

Status issue(Context& context, const AuthOptions& options) {
  auto authority = Authority::open(folder_of(options));
  if (!authority.has_value()) return authority.error();
  if (!options.server && !options.addresses.empty()) return Status(EINVAL, "--address is for servers: add --server");
  const auto issued = options.server ? authority->issue_server(options.name, options.addresses, options.days)
                                     : authority->issue_tenant(options.name, options.days);
  if (!issued.has_value()) return issued.error();
  const std::string pem = authority->path(issued->name + ".pem");
  const std::string key = authority->path(issued->name + ".key");
  Json json = json_of(*issued);
  put_name(json, "certificate", pem);
  put_name(json, "key", key);
  context.out.object(
      json, fmt::format("{} and {}: {} {}, serial {}, until {}\n", context.out.name(pem), context.out.name(key),
                        issued->kind, issued->name, issued->serial, format_time_full(issued->expires_s * kSecondNs)));
  return {};
}

Status token(Context& context, const AuthOptions& options) {
  auto authority = Authority::open(folder_of(options));
  if (!authority.has_value()) return authority.error();
  const auto issued = authority->issue_token(
      options.name,
      {.access = *identity::access_of(options.access), .lifetime_s = options.seconds, .once = options.once});
  if (!issued.has_value()) return issued.error();
  Json json;
  json["token"] = *issued;
  context.out.object(json, *issued + "\n");
  return {};
}

Status list(Context& context, const AuthOptions& options) {
  const auto authority = Authority::open(folder_of(options));
  if (!authority.has_value()) return authority.error();
  const auto all = authority->issued();
  if (!all.has_value()) return all.error();
  const auto revoked = authority->revocations();
  if (!revoked.has_value()) return revoked.error();
  Table table({"NAME", "KIND", "SERIAL", "UNTIL", "STATE"});
  context.out.begin_list();
  for (const Issued& issued : *all) {
    const bool is_revoked =
        revoked->revoked(issued.serial, issued.kind == "tenant" ? issued.name : "", issued.issued_s);
    const bool over = issued.expires_s * kSecondNs <= system_clock().realtime_ns();
    const std::string state = is_revoked ? "revoked" : over ? "expired" : "good";
    Json json = json_of(issued);
    json["state"] = state;
    context.out.item(json, "");
    table.row({issued.name, issued.kind, issued.serial, format_time_full(issued.expires_s * kSecondNs), state});
  }
  context.out.end_list();
  context.out.text(table.text());
  return {};
}

// In the authority's folder, and at the servers that are named: those that do not read its list.
Status revoke(Context& context, const AuthOptions& options) {
  const bool only_servers = !options.servers.empty() && options.folder.empty() && std::getenv("ROSS_AUTH") == nullptr;
  if (!only_servers) {
    auto authority = Authority::open(folder_of(options));
    if (!authority.has_value()) return authority.error();
    ROSS_STATUS(options.certificate ? authority->revoke_certificate(options.name)
                : options.token     ? authority->revoke_token(options.name)
                                    : authority->revoke_tenant(options.name));
  }
  if ((options.certificate || options.token) && !options.servers.empty()) {
    return Status(EINVAL, "a server is told of tenants only: it reads the rest from its list (identity.revoked)");
  }
  std::uint64_t sessions = 0;
  for (const std::string& server : options.servers) {
    constexpr std::int64_t kPatienceNs = 20 * kSecondNs;
    const auto ended = client::revoke_tenant(server, client::tls_from_environment(), options.name,
                                             system_clock().monotonic_ns() + kPatienceNs);
    if (!ended.has_value()) {
      context.report(server, ended.error());
    } else {
      sessions += *ended;
    }
  }
  Json json;
  json["revoked"] = options.name;
  json["sessions"] = sessions;
  context.out.object(json, options.servers.empty() ? "" : fmt::format("{} sessions ended\n", sessions));
  return {};
}

Status restore(Context& context, const AuthOptions& options) {
  auto authority = Authority::open(folder_of(options));
  if (!authority.has_value()) return authority.error();
  ROSS_STATUS(authority->restore_tenant(options.name));
  Json json;
  json["restored"] = options.name;
  context.out.object(json, "");
  return {};
}

}  // namespace

void add_auth(Commands& commands) {
  Command& group = commands.add("auth", "Certificates and tokens: who is who");
  auto options = std::make_shared<AuthOptions>();  // these live as long as the commands that capture them
  const auto add = [&group, options](const std::string& name, const std::string& description,
                                     Status (*work)(Context&, const AuthOptions&)) -> Command& {
    Command& command = group.add(name, description);
    command.option("--folder", options->folder, "The authority's folder (default: ROSS_AUTH's, or /etc/ross/auth)");
    command.on_run([options, work](Context& context) { return work(context, *options); });
    return command;
  };
  const auto days = [options](Command& command) {
    command.option("--days", options->days, "For so long it is believed (default 365)").between(1, 36500);
  };
  days(add("init", "Make an authority", init));

  Command& issue_command = add("issue", "Make a certificate and its key", issue);
  issue_command.option("NAME", options->name, "A tenant's name, or with --server any").required();
  issue_command.flag("--server", options->server, "For a server: an engine, or an agent towards its hosts");
  issue_command
      .option("--address", options->addresses, "A server's name or numeric address; may be given several times")
      .one_each();
  days(issue_command);

  Command& token_command = add("token", "Print a signed token, which stands for a certificate for a short time", token);
  token_command.option("TENANT", options->name, "Whose").required();
  token_command.option("--access", options->access, "The most that it may: read, write or admin (default)")
      .one_of({"read", "write", "admin"});
  token_command.option("--seconds", options->seconds, "For so long it is believed (default 3600)")
      .between(1, Authority::kTokenLifetimeMaxS);
  token_command.flag("--once", options->once, "For one session: of the client that uses it first");

  add("list", "List the certificates that were issued", list);

  Command& revoke_command = add("revoke", "Believe nothing any more that a tenant was given until now", revoke);
  revoke_command.option("TENANT", options->name, "Or a serial number, or a nonce").required();
  const Argument certificate =
      revoke_command.flag("--certificate", options->certificate, "One certificate alone, by its serial number");
  revoke_command.flag("--token", options->token, "One token alone, by its nonce").excludes(certificate);
  revoke_command
      .option("--server", options->servers,
              "HOST:PORT of a server to tell besides; with no folder named, instead; may be given several times")
      .one_each();

  Command& restore_command =
      add("restore", "Believe a tenant's users again, and what it is given from now on", restore);
  restore_command.option("TENANT", options->name, "Whose").required();
}

}  // namespace ross::cli
