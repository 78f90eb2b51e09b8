/* What a policy leaves open, in sentences on standard error: whoever writes one shall not find out later. */
#pragma once

#include "base/clean-json.h"

/* policy: the JSON document, complete or still to be edited. */
void policy_say_open(json_object *policy);
