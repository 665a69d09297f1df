# Builds for arm64 Linux (a DPU's cores) on another machine, against Debian's arm64 packages beside that machine's own
# (scripts/install_packages --arm64), by Clang, which needs no second compiler.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER_TARGET aarch64-linux-gnu)
set(CMAKE_CXX_COMPILER_TARGET aarch64-linux-gnu)
# The only linker of the machine that knows this target.
set(CMAKE_EXE_LINKER_FLAGS_INIT -fuse-ld=lld)
set(CMAKE_SHARED_LINKER_FLAGS_INIT -fuse-ld=lld)

# What Debian has for one architecture at a time.
cmake_path(SET ROSS_UNPACKED NORMALIZE ${CMAKE_CURRENT_LIST_DIR}/../build/arm64-packages/usr)
list(APPEND CMAKE_PREFIX_PATH ${ROSS_UNPACKED})
# pkg-config looks nowhere else: what it knows of the machine's own libraries would be found first.
set(ENV{PKG_CONFIG_LIBDIR} ${ROSS_UNPACKED}/lib/aarch64-linux-gnu/pkgconfig:/usr/lib/aarch64-linux-gnu/pkgconfig:/usr/share/pkgconfig)

# Named, not left to binfmt_misc, which few machines have set up.
cmake_path(SET ROSS_EMULATOR NORMALIZE ${CMAKE_CURRENT_LIST_DIR}/../scripts/emulate_arm64)
set(CMAKE_CROSSCOMPILING_EMULATOR ${ROSS_EMULATOR})
