// Goal: libfabric and UCX are in a process from the moment that it makes a domain of theirs, and never else; UCX takes no signal; one
// that is missing, old or no such library is said in a sentence.
// Method: this program again, as a process that makes one domain and tells what the kernel has mapped before and after. Other
// libraries of UCX's name come first by LD_LIBRARY_PATH.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>

#include "fabric/backends/backends.h"

namespace ross::fabric {
namespace {

std::string loaded() {
  std::ifstream maps("/proc/self/maps");
  bool fabric = false;
  bool ucx = false;
  for (std::string line; std::getline(maps, line);) {
    fabric |= line.find("/libfabric.so") != std::string::npos;
    for (const char* const name : {"/libucp.so", "/libucs.so", "/libuct.so", "/libucm.so"}) {
      ucx |= line.find(name) != std::string::npos;
    }
  }
  return std::string(fabric ? "libfabric" : "") + (fabric && ucx ? " and " : "") + (ucx ? "UCX" : "");
}

// A bit for each; without the two that glibc keeps for its threads.
unsigned long long handled_signals() {
  std::ifstream status("/proc/self/status");
  std::string line;
  while (std::getline(status, line) && !line.starts_with("SigCgt:")) continue;
  return std::stoull(line.substr(line.find('\t')), nullptr, 16) & ~(3ULL << 31);
}

// The process: three lines, and a fourth where UCX handles signals.
void make_one(std::string_view name) {
  std::cout << "before: " << loaded() << "\n";
  const auto signals = handled_signals();
  static_cast<void>(find_backend(name));
  const auto domain = make_domain(name, "127.0.0.1");
  std::cout << (domain.has_value() ? "made" : domain.error().message()) << "\n";
  std::cout << "after: " << loaded() << "\n";
  if (name.starts_with("ucx") && signals != handled_signals())
    std::cout << "other signals: " << handled_signals() << "\n";
  std::cout.flush();
  ::_exit(0);
}

std::string told_by(std::string_view name, std::string_view library_folder = {}) {
  char self[4096] = "";
  EXPECT_GT(::readlink("/proc/self/exe", self, sizeof self - 1), 0);
  FILE* const child =
      ::popen(fmt::format("LD_LIBRARY_PATH='{}' '{}' --make {}", library_folder, self, name).c_str(), "r");
  std::string told;
  char line[4096];
  while (::fgets(line, sizeof line, child) != nullptr) told += line;
  EXPECT_EQ(::pclose(child), 0);
  return told;
}

TEST(Loading, OurOwnFabricsLoadNothing) {
  EXPECT_EQ(told_by("tcp"), "before: \nmade\nafter: \n");
  EXPECT_EQ(told_by("shm"), "before: \nmade\nafter: \n");
}

TEST(Loading, TheOthersLoadTheirOwn) {
  EXPECT_EQ(told_by("ucx+tcp"), "before: \nmade\nafter: UCX\n");
  if (!find_backend("ofi+tcp").value()->missing.empty()) GTEST_SKIP() << "built without libfabric";
  EXPECT_EQ(told_by("ofi+tcp"), "before: \nmade\nafter: libfabric\n");
}

TEST(Loading, WhatIsNoLibraryIsSaid) {
  char folder[] = "/tmp/ross-loading-XXXXXX";
  ASSERT_NE(::mkdtemp(folder), nullptr);
  std::ofstream(std::string(folder) + "/libucp.so.0") << "no library";
  const std::string told = told_by("ucx+shm", folder);
  EXPECT_TRUE(told.starts_with("before: \nUCX cannot be loaded: ")) << told;
  EXPECT_TRUE(told.ends_with(": apt-get install libucx0\nafter: \n")) << told;
  std::filesystem::remove_all(folder);
}

TEST(Loading, AnotherVersionIsSaid) {
  EXPECT_NE(told_by("ucx+tcp", ROSS_UCX_FOLDERS "/ucx_old").find("\nUCX 1.9.0 is installed, and ROSS was built for 1."),
            std::string::npos);
  EXPECT_NE(told_by("ucx+tcp", ROSS_UCX_FOLDERS "/ucx_bare").find("\nlibucp.so.0 has no ucs_status_string: "),
            std::string::npos);
}

}  // namespace
}  // namespace ross::fabric

int main(int argc, char** argv) {
  if (argc == 3 && std::string_view(argv[1]) == "--make") ross::fabric::make_one(argv[2]);
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
