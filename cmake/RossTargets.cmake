# The two ways to say what is built: a room (a library of one folder) and its tests.

add_library(ross_flags INTERFACE)
target_compile_options(ross_flags INTERFACE
  -Wall -Wextra -Wnon-virtual-dtor -Wold-style-cast -Wshadow=local
  $<$<CXX_COMPILER_ID:GNU>:-Wno-missing-field-initializers>)
target_compile_definitions(ross_flags INTERFACE _FILE_OFFSET_BITS=64)
target_include_directories(ross_flags INTERFACE ${PROJECT_SOURCE_DIR}/src)

# ross_room(base SOURCES a.cc DEPENDS fmt::fmt): the library ross_base, alias ross::base.
function(ross_room name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS" ${ARGN})
  add_library(ross_${name} STATIC ${ARG_SOURCES})
  add_library(ross::${name} ALIAS ross_${name})
  target_link_libraries(ross_${name} PUBLIC ross_flags ${ARG_DEPENDS})
endfunction()

# ross_test(status_test SOURCES status_test.cc DEPENDS ross::base LABELS fast TIMEOUT 60): a GoogleTest program.
# Label fast: part of the sanitizer runs and of the set that takes under a minute.
function(ross_test name)
  if(NOT ROSS_TESTS)
    return()
  endif()
  cmake_parse_arguments(ARG "" "TIMEOUT" "SOURCES;DEPENDS;LABELS" ${ARGN})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 120)
  endif()
  if(NOT ARG_LABELS)
    set(ARG_LABELS fast)
  endif()
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_DEPENDS} GTest::gmock GTest::gtest_main)
  add_test(NAME ${name} COMMAND ${name} --gtest_brief=1)
  set_tests_properties(${name} PROPERTIES LABELS "${ARG_LABELS}" TIMEOUT ${ARG_TIMEOUT})
endfunction()
