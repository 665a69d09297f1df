#include "front.h"

namespace ross::front {

Result<std::unique_ptr<Front>> make_front(server::Server&, const std::filesystem::path&) { return nullptr; }

}  // namespace ross::front
