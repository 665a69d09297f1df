// Goal: an agent's configuration means what it says or is refused with the line and what to write instead. What it has in common with
// an engine's is in config_test.cc.
#include "apps/ross-agent/config.h"

#include <gtest/gtest.h>

namespace ross::agent_daemon {
namespace {

Result<Config> whole(std::string_view text) {
  ROSS_TRY(Config config, parse_config(text, "test.toml"));
  ROSS_OK(complete(config));
  return config;
}

TEST(AgentConfig, TheFileWithEveryDefaultIsTheDefault) {
  const auto written = read_config(std::string(ROSS_SOURCE_DIR) + "/src/apps/ross-agent/ross-agent.toml");
  ASSERT_TRUE(written.has_value()) << written.error().message();
  const Config built_in;
  EXPECT_EQ(written->control_listen, built_in.control_listen);
  EXPECT_EQ(written->tls.on(), built_in.tls.on());
  EXPECT_EQ(written->fabrics, built_in.fabrics);
  EXPECT_EQ(written->data_listen, built_in.data_listen);
  EXPECT_EQ(written->sockets, built_in.sockets);
  EXPECT_EQ(written->engine_tls.authority, built_in.engine_tls.authority);
  EXPECT_EQ(written->engine_tls.certificate, built_in.engine_tls.certificate);
  EXPECT_EQ(written->engine_tls.key, built_in.engine_tls.key);
  EXPECT_EQ(written->outage_seconds, built_in.outage_seconds);
  EXPECT_EQ(written->lease_ms, built_in.lease_ms);
  EXPECT_EQ(written->threads, built_in.threads);
  EXPECT_EQ(written->pin, built_in.pin);
  EXPECT_EQ(written->log_level, built_in.log_level);
  EXPECT_EQ(written->log_form, built_in.log_form);
  ASSERT_EQ(written->exports.size(), 1U);
  EXPECT_EQ(written->exports[0].placement, ExportConfig().placement);
  EXPECT_EQ(written->exports[0].staged_containers, ExportConfig().staged_containers);
}

TEST(AgentConfig, TakesWhatIsWritten) {
  const auto config = whole(R"(
    [control]
    listen = "[::1]:7000"
    [data]
    fabrics = ["tcp"]
    sockets = "/tmp/x"
    [engine]
    authority = "ca.pem"
    certificate = "c.pem"
    key = "c.key"
    outage_seconds = 5
    [[export]]
    url = "ross+tcp://10.0.0.7/pool0"
    [[export]]
    url = "ross://10.0.0.8:7000/pool0"
    name = "other"
    placement = "direct"
    staged_containers = ["audited"]
  )");
  ASSERT_TRUE(config.has_value()) << config.error().message();
  EXPECT_EQ(config->control_listen, "[::1]:7000");
  EXPECT_EQ(config->sockets, "/tmp/x");
  EXPECT_EQ(config->engine_tls.certificate, "c.pem");
  EXPECT_EQ(config->outage_seconds, 5U);
  ASSERT_EQ(config->exports.size(), 2U);
  EXPECT_EQ(config->exports[0].name, "pool0");
  EXPECT_EQ(config->exports[1].name, "other");
  EXPECT_EQ(placement_of(config->exports[0].placement).value(), server::Placement::kAuto);
  EXPECT_EQ(placement_of(config->exports[1].placement).value(), server::Placement::kDirect);
  EXPECT_EQ(config->exports[1].staged_containers, std::vector<std::string>{"audited"});
}

TEST(AgentConfig, RefusesWithTheLineAndWhatToDo) {
  const std::string pool = "[[export]]\nurl = \"ross://h/p\"\n";
  const std::pair<std::string, std::string_view> cases[] = {
      {"", "no pool to serve"},
      {"[[export]]\nname = \"x\"\n", "line 1: an export without a url"},
      {"export = 3\n", "write [[export]]"},
      {"[[export]]\nurl = \"/srv/p\"\n", "is no engine's pool: write ross://HOST:PORT/POOL"},
      {"[[export]]\nurl = \"ross://h/p/c\"\n", "names more than a pool"},
      {"[[export]]\nurl = \"http://h/p\"\n", "no scheme 'http:' is known"},
      {pool + "placement = \"fast\"\n", "write auto, direct or staged"},
      {pool + "placement = 1\n", "placement"},
      {pool + pool, "two exports are called p"},
      {pool + "[[pool]]\npath = \"/srv/p\"\n",
       "line 3: there is no [pool]: there are agent, control, data, engine, identity, log, tls"},
      {pool + "[engine]\ncache_mib = 8\n", "line 4: [engine] has no key 'cache_mib'"},
      {pool + "[engine]\nauthority = \"ca.pem\"\n", "all three"},
      {pool + "[agent]\nlease_ms = 0\n", "line 4: agent.lease_ms"},
      {pool + "[control]\nlisten = \"0.0.0.0:7470\"\n", "needs TLS"},
      {pool + "[data]\nsockets = \"\"\n", "names no folder"},
      {pool + "[data]\nfabrics = [\"rdma\"]\n", "no fabric is called 'rdma'"},
  };
  for (const auto& [text, says] : cases) {
    const auto config = whole(text);
    ASSERT_FALSE(config.has_value()) << text;
    EXPECT_NE(config.error().message().find(says), std::string::npos) << text << "\n" << config.error().message();
    EXPECT_EQ(config.error().message().find('\n'), std::string::npos) << config.error().message();
  }
}

}  // namespace
}  // namespace ross::agent_daemon
