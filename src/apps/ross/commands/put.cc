// ross put: a file of the host, or standard input, becomes an object: whole and durable, or not there.
#include <fcntl.h>
#include <unistd.h>

#include <memory>

#include "apps/ross/command.h"
#include "apps/ross/copy/descriptor.h"
#include "apps/ross/present/explain.h"
#include "apps/ross/present/size.h"
#include "apps/ross/stream.h"

namespace ross::cli {
namespace {

struct PutOptions {
  std::string file;
  std::string object;
  bool exclusive = false;
};

Status put(Context& context, const PutOptions& options) {
  copy::Descriptor opened;
  int fd = STDIN_FILENO;
  if (options.file != "-") {
    opened = copy::Descriptor(::open(options.file.c_str(), O_RDONLY | O_CLOEXEC));
    if (!opened) return about(options.file, Status(errno));
    fd = opened.get();
  }
  auto store = context.open(options.object);
  if (!store.has_value()) return about(options.object, store.error());
  auto& [location, volume] = *store;
  WriteOptions write;
  write.make_directories = true;
  write.exclusive = options.exclusive;
  const auto bytes = write_in(volume, location.path, write, [fd](std::span<std::byte> buffer) -> Result<std::size_t> {
    // Fills the buffer, however small the pieces are that a pipe gives.
    std::size_t filled = 0;
    while (filled < buffer.size()) {
      const ssize_t got = ::read(fd, buffer.data() + filled, buffer.size() - filled);
      if (got < 0) return fail(errno);
      if (got == 0) break;
      filled += static_cast<std::size_t>(got);
    }
    return filled;
  });
  if (!bytes.has_value()) return about(options.object, bytes.error());
  Json json;
  put_name(json, "object", location.text);
  json["bytes"] = *bytes;
  context.out.object(json, "");
  return {};
}

}  // namespace

void add_put(Commands& commands) {
  auto options = std::make_shared<PutOptions>();  // lives as long as the command that captures it
  Command& command = commands.add("put", "Store a file of the host as an object, atomically and durably");
  command.option("FILE", options->file, "The host's file; - is standard input").required();
  command.option("OBJECT", options->object, "Where it goes; directories missing on the way are made").required();
  command.flag("-x,--exclusive", options->exclusive, "Fail if the object is there already");
  command.on_run([options](Context& context) { return put(context, *options); });
}

}  // namespace ross::cli
