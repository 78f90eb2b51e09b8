/* Addresses of the public internet: what a service's name may lead to. A name that leads into the owner's
 * own network (127.0.0.1, 10.0.0.1, 169.254.169.254) would turn a download into a request to her machines.
 */
#pragma once

#include <stdbool.h>
#include <sys/socket.h>

bool address_is_public(const struct sockaddr *address);
