// Makes a few directories and files and lists what is there, in C++: tree URL
#include <fcntl.h>
#include <sys/stat.h>

#include <cstdio>
#include <ross/ross.hpp>
#include <string>

namespace {

ross::Expected<void> list(ross::Store& store, const std::string& path, int depth) {
  const auto entries = store.list(path.empty() ? "/" : path);
  if (!entries) return std::unexpected(entries.error());
  for (const ross_dirent& entry : *entries) {
    const std::string child = path + "/" + entry.name;
    const auto attr = store.stat(child);
    if (!attr) return std::unexpected(attr.error());
    std::printf("%*s%s %llu\n", 2 * depth, "", entry.name, static_cast<unsigned long long>(attr->size_bytes));
    if (S_ISDIR(entry.type)) {
      if (auto below = list(store, child, depth + 1); !below) return below;
    }
  }
  return {};
}

ross::Expected<void> run(const std::string& url) {
  auto store = ross::Store::attach(url);
  if (!store) return std::unexpected(store.error());
  for (const char* name : {"shards/0", "shards/1", "labels"}) {
    const std::string text = std::string("the content of ") + name;
    if (auto put = store->put(name, std::as_bytes(std::span(text))); !put) return put;
  }
  if (auto file = store->open("log", O_WRONLY | O_CREAT | O_APPEND); file) {
    const std::string line = "one more run\n";
    if (auto written = file->append(std::as_bytes(std::span(line))); !written) return std::unexpected(written.error());
    if (auto closed = file->close(); !closed) return closed;
  } else {
    return std::unexpected(file.error());
  }
  if (auto listed = list(*store, "", 0); !listed) return listed;
  return store->detach();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: tree URL\n");
    return 2;
  }
  if (const auto done = run(argv[1]); !done) {
    std::fprintf(stderr, "%s\n", done.error().message.c_str());
    return 1;
  }
}
