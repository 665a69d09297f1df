// Goal: a configuration means what it says or is refused with the line and what to write instead.
#include "apps/ross-engine/config.h"

#include <gtest/gtest.h>

#include <fstream>

namespace ross::engine_daemon {
namespace {

Result<Config> whole(std::string_view text) {
  ROSS_TRY(Config config, parse_config(text, "test.toml"));
  ROSS_OK(complete(config));
  return config;
}

TEST(Config, TheFileWithEveryDefaultIsTheDefault) {
  const auto written = read_config(std::string(ROSS_SOURCE_DIR) + "/src/apps/ross-engine/ross-engine.toml");
  ASSERT_TRUE(written.has_value()) << written.error().message();
  const Config built_in;
  EXPECT_EQ(written->control_listen, built_in.control_listen);
  EXPECT_EQ(written->tls.on(), built_in.tls.on());
  EXPECT_EQ(written->fabrics, built_in.fabrics);
  EXPECT_EQ(written->data_listen, built_in.data_listen);
  EXPECT_EQ(written->cache_mib, built_in.cache_mib);
  EXPECT_EQ(written->commit_interval_ms, built_in.commit_interval_ms);
  EXPECT_EQ(written->lease_ms, built_in.lease_ms);
  EXPECT_EQ(written->threads, built_in.threads);
  EXPECT_EQ(written->pin, built_in.pin);
  EXPECT_EQ(written->log_level, built_in.log_level);
  EXPECT_EQ(written->log_form, built_in.log_form);
  ASSERT_EQ(written->pools.size(), 1U);
}

TEST(Config, TakesWhatIsWritten) {
  const auto config = whole(R"(
    [control]
    listen = "[::1]:7000"
    [data]
    fabrics = ["tcp", "shm"]
    [engine]
    cache_mib = 64
    threads = 3
    pin = true
    [log]
    form = "json"
    [[pool]]
    path = "/srv/a/"
    [[pool]]
    path = "/srv/b"
    name = "other"
  )");
  ASSERT_TRUE(config.has_value()) << config.error().message();
  EXPECT_EQ(config->control_listen, "[::1]:7000");
  EXPECT_EQ(config->fabrics, (std::vector<std::string>{"tcp", "shm"}));
  EXPECT_EQ(config->cache_mib, 64U);
  EXPECT_EQ(config->threads, 3U);
  EXPECT_TRUE(config->pin);
  EXPECT_EQ(config->log_form, LogForm::kJson);
  ASSERT_EQ(config->pools.size(), 2U);
  EXPECT_EQ(config->pools[0].name, "a");
  EXPECT_EQ(config->pools[1].name, "other");
}

TEST(Config, RefusesWithTheLineAndWhatToDo) {
  const std::string pool = "[[pool]]\npath = \"/srv/p\"\n";
  const std::pair<std::string, std::string_view> cases[] = {
      {"", "no pool to serve"},
      {"[[pool]", "line 1 is not TOML"},
      {"[[pool]]\nname = \"x\"\n", "a pool without a path"},
      {"pool = 3\n", "write [[pool]]"},
      {pool + "[controll]\nlisten = \"x\"\n", "line 3: there is no [controll]"},
      {pool + "[control]\nlistn = \"x\"\n", "line 4: [control] has no key 'listn': it has listen"},
      {pool + "[control]\nlisten = 7470\n", "line 4: control.listen has a value that cannot be"},
      {pool + "[control]\nlisten = \"localhost:1\"\n", "no numeric address"},
      {pool + "[control]\nlisten = \"127.0.0.1\"\n", "has no port"},
      {pool + "[control]\nlisten = \"0.0.0.0:7470\"\n", "needs TLS"},
      {pool + "[control]\nlisten = \"[::]:7470\"\n", "needs TLS"},
      {pool + "[data]\nlisten = \"10.0.0.1\"\n", "needs TLS"},
      {pool + "[data]\nfabrics = [\"rdma\"]\n", "no fabric is called 'rdma'"},
      {pool + "[data]\nfabrics = \"tcp\"\n", "line 4: data.fabrics"},
      {pool + "[data]\nfabrics = [1]\n", "line 4: data.fabrics"},
      {pool + "[tls]\ncertificate = \"c\"\n", "all three"},
      {pool + "[engine]\ncache_mib = 1\n", "line 4: engine.cache_mib"},
      {pool + "[engine]\ncache_mib = -5\n", "line 4: engine.cache_mib"},
      {pool + "[engine]\ncommit_interval_ms = 0\n", "line 4: engine.commit_interval_ms"},
      {pool + "[engine]\nthreads = 17\n", "line 4: engine.threads"},
      {pool + "[log]\nlevel = \"loud\"\n", "log.level is one of"},
      {pool + "[log]\nform = \"xml\"\n", "text or json"},
      {pool + pool, "two pools are called p"},
      {"control = 1\n" + pool, "control is a table"},
  };
  for (const auto& [text, says] : cases) {
    const auto config = whole(text);
    ASSERT_FALSE(config.has_value()) << text;
    EXPECT_NE(config.error().message().find(says), std::string::npos) << text << "\n" << config.error().message();
    EXPECT_EQ(config.error().message().find('\n'), std::string::npos) << config.error().message();
  }
}

TEST(Config, AFileThatCannotBeReadIsNamed) {
  const auto config = read_config("/nowhere/ross-engine.toml");
  ASSERT_FALSE(config.has_value());
  EXPECT_NE(config.error().message().find("/nowhere/ross-engine.toml"), std::string::npos);
}

}  // namespace
}  // namespace ross::engine_daemon
