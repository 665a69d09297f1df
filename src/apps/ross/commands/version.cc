// ross version: what this program is.
#include <unistd.h>

#include "apps/ross/command.h"

namespace ross::cli {

void add_version(Commands& commands) {
  Command& command = commands.add("version", "Print the version");
  command.on_run([](Context& context) {
    context.out.object(Json::object({{"version", ROSS_VERSION}, {"schemes", Json::array({"local"})}}),
                       "ross " ROSS_VERSION "\n");
    return Status();
  });
}

}  // namespace ross::cli
