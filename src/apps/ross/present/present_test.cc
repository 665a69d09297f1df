// Goal: what people type is understood or refused, and what is printed is what is meant, also for hostile names.
// Method: tables of inputs with their outputs, and a JSON document read back by hand-made rules of the format.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "apps/ross/present/explain.h"
#include "apps/ross/present/json.h"
#include "apps/ross/present/progress.h"
#include "apps/ross/present/size.h"
#include "apps/ross/present/table.h"
#include "apps/ross/present/text.h"

namespace ross::cli {
namespace {

TEST(Size, IsRead) {
  const std::pair<std::string_view, std::uint64_t> cases[] = {
      {"0", 0},
      {"4096", 4096},
      {"64K", 65536},
      {"64k", 65536},
      {"64KiB", 65536},
      {"64kb", 64000},
      {"1.5TiB", 1649267441664},
      {"0.5 G", 536870912},
      {"1B", 1},
      {"18446744073709551615", UINT64_MAX},
      {"15.999999999999E", 18446744073708398694ULL},
  };
  for (const auto& [text, bytes] : cases) {
    const auto size = parse_size(text);
    ASSERT_TRUE(size.has_value()) << text << ": " << size.error().message();
    EXPECT_EQ(*size, bytes) << text;
  }
}

TEST(Size, IsRefused) {
  for (const std::string_view text :
       {"", "G", "-1", "1.5", "1.5B", "1X", "1GG", "1GiBB", "0x10", "1e9", ".", "1.2.3G",
        "99999999999999999999999999999999999999", " 1", "1\n", "16E", "18446744073709551616"}) {
    const auto size = parse_size(text);
    EXPECT_FALSE(size.has_value()) << text << " is " << size.value_or(0);
  }
}

TEST(Size, IsWritten) {
  EXPECT_EQ(format_size(0), "0 B");
  EXPECT_EQ(format_size(1023), "1023 B");
  EXPECT_EQ(format_size(1536), "1.50 KiB");
  EXPECT_EQ(format_size(1048575), "1.00 MiB");
  EXPECT_EQ(format_size(UINT64_MAX), "16.0 EiB");
  EXPECT_EQ(format_count(1234567), "1,234,567");
  EXPECT_EQ(format_count(999), "999");
}

TEST(Text, ModesAndTimes) {
  EXPECT_EQ(format_mode(S_IFDIR | 01777), "drwxrwxrwt");
  EXPECT_EQ(format_mode(S_IFREG | 06640), "-rwSr-S---");
  EXPECT_EQ(format_mode(S_IFLNK | 0777), "lrwxrwxrwx");
  EXPECT_EQ(format_duration(0.35), "0.35 s");
  EXPECT_EQ(format_duration(125), "2:05");
  EXPECT_EQ(format_duration(3725), "1:02:05");
  ::setenv("TZ", "UTC", 1);
  ::tzset();
  EXPECT_EQ(format_time_full(-1), "1969-12-31 23:59:59.999999999 +0000");
  EXPECT_EQ(format_time_full(1'700'000'000'000'000'001), "2023-11-14 22:13:20.000000001 +0000");
}

TEST(Text, NamesCannotDisturbATerminal) {
  EXPECT_EQ(escape_name("a\nb\x1b[31m\\"), "a\\nb\\x1b[31m\\\\");
  EXPECT_EQ(escape_name("\xc3\xa4"), "\xc3\xa4");
  EXPECT_TRUE(is_utf8("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"));
  for (const std::string_view bad : {"\xff", "\xc3", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "a\xe2\x82"}) {
    EXPECT_FALSE(is_utf8(bad)) << to_hex(bad);
  }
}

TEST(JsonText, IsValidWhateverTheNames) {
  Json json;
  json["name"] = std::string("a\"\\\n\x01\xff\xc3\xa4");
  json["big"] = UINT64_MAX;
  json["less"] = -1;
  json["real"] = 0.5;
  json["none"] = Json();
  json["list"] = Json::array({true, 1, "x"});
  json["empty"] = Json::object();
  json["name2"] = std::string_view("z");
  EXPECT_EQ(json.dump(0),
            "{\"name\": \"a\\\"\\\\\\n\\u0001\xef\xbf\xbd\xc3\xa4\", \"big\": 18446744073709551615, \"less\": -1, "
            "\"real\": 0.5, \"none\": null, \"list\": [true, 1, \"x\"], \"empty\": {}, \"name2\": \"z\"}");
  Json nested;
  nested["a"] = Json::array({1});
  EXPECT_EQ(nested.dump(2), "{\n  \"a\": [\n    1\n  ]\n}");
}

TEST(Explain, SaysWhatToDoInOneLine) {
  EXPECT_EQ(explain(":/x", Status(ENOENT)), "ross: :/x: no such file or directory: check the path");
  EXPECT_EQ(explain("", Status(EINVAL, "say how large: --size")), "ross: say how large: --size");
  EXPECT_EQ(explain("a\nb", Status(EIO, "x\x1by")), "ross: a\\nb: x\\x1by");
  EXPECT_EQ(explain(":/x", about(":/x", Status(EISDIR))).find("is a directory"), std::string("ross: :/x: ").size());
}

TEST(ProgressLine, FitsAndTellsTheTimeLeft) {
  ProgressState state{.items = 1234, .done = 50 << 20, .total = 100 << 20};
  const std::string line = progress_line(state, 2, 100);
  EXPECT_EQ(line, "1,234 files  50.0 MiB of 100 MiB  [===============>              ]   50 %  25.0 MiB/s  2.00 s left");
  for (std::size_t columns = 0; columns < 120; ++columns) EXPECT_LE(progress_line(state, 2, columns).size(), columns);
  state.total = 0;
  EXPECT_EQ(progress_line(state, 0, 80), "1,234 files  50.0 MiB  0 B/s");
}

TEST(Table, AlignsColumns) {
  Table table({"NAME", ">SIZE"});
  table.row({"a", "1"});
  table.row({"long name", "100"});
  EXPECT_EQ(table.text(), "NAME       SIZE\na             1\nlong name   100\n");
}

}  // namespace
}  // namespace ross::cli
