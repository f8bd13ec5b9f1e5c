// Modules, hooks and authorization, as master and agent set them up.
#pragma once

#include "program.h"

// --modules, --modules_dir and --hooks. Comes after Program::start.
void loadModules(const Program& program);

// The authorizer that `flag` (--authorizers or --authorizer) names, or the local one if --acls is given,
// or nullptr. It also guards the endpoints of libprocess itself (/metrics, /logging).
mesos::Authorizer* createAuthorizer(const Program& program, const std::string& flag);

Option<mesos::Authorizer*> optional(mesos::Authorizer* authorizer);
