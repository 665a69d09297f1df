# The two ways to say what is built: a room (a library of one folder) and its tests.

add_library(ross_flags INTERFACE)
target_compile_options(ross_flags INTERFACE
  -Wall -Wextra -Wno-missing-field-initializers
  $<$<COMPILE_LANGUAGE:CXX>:-Wnon-virtual-dtor -Wold-style-cast>
  $<$<CXX_COMPILER_ID:GNU>:-Wshadow=local>)
target_compile_definitions(ross_flags INTERFACE _FILE_OFFSET_BITS=64)
target_include_directories(ross_flags INTERFACE ${PROJECT_SOURCE_DIR}/src)

# ross_room(base SOURCES a.cc DEPENDS fmt::fmt): the library ross_base, alias ross::base.
function(ross_room name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS" ${ARGN})
  add_library(ross_${name} STATIC ${ARG_SOURCES})
  add_library(ross::${name} ALIAS ross_${name})
  target_link_libraries(ross_${name} PUBLIC ross_flags ${ARG_DEPENDS})
endfunction()

# Every program that runs under the address and undefined behaviour sanitizers, and every one under the thread
# sanitizer, each as one target.
add_custom_target(fast_tests)
add_custom_target(thread_tests)

# ross_quick_code(TARGET): tests that take longer to optimise than optimising saves when they run; the presets say how they are
# compiled. Not for tests that compute: without optimisation those take four times as long.
set(ROSS_QUICK_CODE_OPTIONS "" CACHE STRING "Options for the compiler when it compiles such tests")
function(ross_quick_code name)
  target_compile_options(${name} PRIVATE ${ROSS_QUICK_CODE_OPTIONS})
  if(ROSS_QUICK_CODE_OPTIONS)
    ross_quick_headers(${name})
  endif()
endfunction()

# ross_sanitized_test(NAME LABELS fast ...): what a test program's labels mean for the sanitizer runs.
# Label fast: part of them, and of the set that takes under a minute. Label threads: part of the thread sanitizer's run,
# which every fast program is unless it says ONE_THREAD: our code runs in one thread there, so there is nothing to find.
# A slow program with threads joins that run by naming the label itself.
function(ross_sanitized_test name)
  cmake_parse_arguments(ARG "ONE_THREAD" "TIMEOUT" "LABELS" ${ARGN})
  if("fast" IN_LIST ARG_LABELS)
    add_dependencies(fast_tests ${name})
    if(NOT ARG_ONE_THREAD)
      list(APPEND ARG_LABELS threads)
    endif()
  endif()
  if("threads" IN_LIST ARG_LABELS)
    add_dependencies(thread_tests ${name})
  endif()
  # What may take longest begins first.
  set_tests_properties(${name} PROPERTIES LABELS "${ARG_LABELS}" TIMEOUT ${ARG_TIMEOUT} COST ${ARG_TIMEOUT})
  ross_arm64_test(${name})
endfunction()

# ross_test(status_test SOURCES status_test.cc DEPENDS ross::base LABELS fast TIMEOUT 60): a GoogleTest program; see above
# for the labels and ONE_THREAD. It is quick code unless it says COMPUTES.
function(ross_test name)
  if(NOT ROSS_TESTS)
    return()
  endif()
  cmake_parse_arguments(ARG "ONE_THREAD;COMPUTES" "TIMEOUT" "SOURCES;DEPENDS;LABELS" ${ARGN})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 120)
  endif()
  if(NOT ARG_LABELS)
    set(ARG_LABELS fast)
  endif()
  set(one_thread)
  if(ARG_ONE_THREAD)
    set(one_thread ONE_THREAD)
  endif()
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_DEPENDS} GTest::gmock GTest::gtest_main)
  if(NOT ARG_COMPUTES)
    ross_quick_code(${name})
  endif()
  add_test(NAME ${name} COMMAND ${name} --gtest_brief=1)
  ross_sanitized_test(${name} LABELS ${ARG_LABELS} TIMEOUT ${ARG_TIMEOUT} ${one_thread})
endfunction()

# ross_fuzz(url_fuzz SOURCES url_fuzz.cc CORPUS corpus/url DEPENDS ross::attach): a decoder of bytes from outside, given as
# LLVMFuzzerTestOneInput. The preset fuzz links libFuzzer; every other preset links replay_main.cc, which feeds it the
# corpus and a bounded, seeded series of mutations of it as a fast test: 100000, or ROUNDS where each costs system calls.
option(ROSS_FUZZ "Link fuzz targets with libFuzzer (needs clang)" OFF)
function(ross_fuzz name)
  if(NOT ROSS_TESTS)
    return()
  endif()
  cmake_parse_arguments(ARG "" "CORPUS;ROUNDS" "SOURCES;DEPENDS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_DEPENDS})
  if(ROSS_FUZZ)
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  else()
    target_sources(${name} PRIVATE ${PROJECT_SOURCE_DIR}/test/fuzz/replay_main.cc)
    target_link_libraries(${name} PRIVATE ross::base)
    if(NOT ARG_ROUNDS)
      set(ARG_ROUNDS 100000)
    endif()
    if(NOT CMAKE_CXX_FLAGS MATCHES "-fsanitize=")
      math(EXPR ARG_ROUNDS "${ARG_ROUNDS} / 4")  # what no sanitizer watches finds crashes alone
    endif()
    add_test(NAME ${name} COMMAND ${name} ${CMAKE_CURRENT_SOURCE_DIR}/${ARG_CORPUS} 1 ${ARG_ROUNDS})
    ross_sanitized_test(${name} LABELS fast TIMEOUT 120 ONE_THREAD)
  endif()
endfunction()
