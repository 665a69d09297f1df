#include "fs/change_id.h"

#include <utility>

namespace ross::fs {
namespace {

thread_local ChangeId next_change;

}  // namespace

void name_next_change(const ChangeId& id) { next_change = id; }

ChangeId take_change_id() { return std::exchange(next_change, ChangeId{}); }

}  // namespace ross::fs
