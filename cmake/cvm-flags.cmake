# Compiler flags of every target, and the libraries of the distribution by one name each.
find_package(PkgConfig REQUIRED)
pkg_check_modules(JSONC REQUIRED IMPORTED_TARGET json-c>=0.15)
pkg_check_modules(SQLITE REQUIRED IMPORTED_TARGET sqlite3>=3.37)
pkg_check_modules(CRYPTO REQUIRED IMPORTED_TARGET libcrypto>=3.0)
if(NOT CVM_GUEST_ONLY)
  pkg_check_modules(SYSTEMD REQUIRED IMPORTED_TARGET libsystemd>=252)
  pkg_check_modules(SECCOMP REQUIRED IMPORTED_TARGET libseccomp>=2.5)
  pkg_check_modules(CURL REQUIRED IMPORTED_TARGET libcurl>=7.85)
  pkg_check_modules(EXPAT REQUIRED IMPORTED_TARGET expat>=2.4)
  pkg_check_modules(LIBVIRT REQUIRED IMPORTED_TARGET libvirt>=9.0)
  pkg_check_modules(LIBVIRT_QEMU REQUIRED IMPORTED_TARGET libvirt-qemu>=9.0)
  pkg_check_modules(SMARTCOLS REQUIRED IMPORTED_TARGET smartcols>=2.36)
endif()

add_library(cvm-flags INTERFACE)
target_include_directories(cvm-flags INTERFACE ${CMAKE_SOURCE_DIR})
target_compile_definitions(cvm-flags INTERFACE _GNU_SOURCE _FILE_OFFSET_BITS=64 CVM_VERSION="${PROJECT_VERSION}")
target_compile_options(cvm-flags INTERFACE
  -Wall -Wextra -Wshadow -Wvla -Wundef -Wformat=2 -Wstrict-prototypes -Wmissing-prototypes
  -Wpointer-arith -Wwrite-strings -Wno-unused-parameter -Wno-missing-field-initializers -Wno-format-truncation
  -fno-common -fstack-protector-strong)

if(CVM_FAULT_POINTS)
  target_compile_definitions(cvm-flags INTERFACE CVM_FAULT_POINTS)
endif()
if(CVM_SANITIZE OR CVM_FUZZ)
  target_compile_definitions(cvm-flags INTERFACE CVM_SANITIZED) # gcc and clang have different words of their own
endif()
if(CVM_SANITIZE)
  target_compile_options(cvm-flags INTERFACE -Werror -fsanitize=address,undefined -fno-sanitize-recover=all
    -fno-omit-frame-pointer)
  target_link_options(cvm-flags INTERFACE -fsanitize=address,undefined)
elseif(CVM_FUZZ)
  target_compile_options(cvm-flags INTERFACE -fsanitize=fuzzer-no-link,address,undefined)
  target_link_options(cvm-flags INTERFACE -fsanitize=address,undefined)
else()
  target_compile_options(cvm-flags INTERFACE -Werror -D_FORTIFY_SOURCE=2 -fPIE)
  target_link_options(cvm-flags INTERFACE -Wl,-z,relro,-z,now)
endif()
