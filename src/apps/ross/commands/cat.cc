// ross cat: the bytes of files on standard output.
#include <memory>

#include "apps/ross/command.h"
#include "apps/ross/stream.h"

namespace ross::cli {

void add_cat(Commands& commands) {
  auto paths = std::make_shared<std::vector<std::string>>();  // lives as long as the command that captures it
  Command& command = commands.add("cat", "Write files to standard output");
  command.option("PATH", *paths, "The files, one after the other").required();
  command.on_run([paths](Context& context) {
    return for_each_path(context, *paths, [&](const std::string& path) {
      auto opened = context.open(path);
      if (!opened.has_value()) return opened.error();
      return read_out(opened->second, opened->first.path, [&](std::span<const std::byte> piece) {
        context.out.bytes({reinterpret_cast<const char*>(piece.data()), piece.size()});
        // A closed pipe is told by the exit code alone; the session still closes in order.
        return context.out.failed() ? Status(EPIPE) : Status();
      });
    });
  });
}

}  // namespace ross::cli
