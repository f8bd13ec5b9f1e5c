#include "security.h"

using mesos::Authorizer;
using mesos::internal::HookManager;
using mesos::modules::ModuleManager;

void loadModules(const Program& program) {
  const std::string modules = program.given("modules");
  if (!modules.empty()) {
    auto parsed = flags::parse<mesos::Modules>(contentOf(modules));
    auto loaded = ModuleManager::loadManifest(valueOrFail(parsed, "parse --modules"));
    valueOrFail(loaded, "load the modules");
  }
  if (program.has("modules_dir")) {
    auto loaded = ModuleManager::load(program.value("modules_dir"));
    valueOrFail(loaded, "load the modules of --modules_dir");
  }
  if (program.has("hooks")) {
    auto initialized = HookManager::initialize(program.value("hooks"));
    valueOrFail(initialized, "set up the hooks");
  }
}

Authorizer* createAuthorizer(const Program& program, const std::string& flag) {
  const std::string name = program.value(flag, "local");
  const std::string acls = program.given("acls");
  Authorizer* authorizer = nullptr;
  if (name != "local") {
    auto created = Authorizer::create(name);
    authorizer = valueOrFail(created, "create the authorizer '" + name + "'");
  } else if (!acls.empty()) {
    auto parsed = flags::parse<mesos::ACLs>(contentOf(acls));
    auto created = Authorizer::create(valueOrFail(parsed, "parse --acls"));
    authorizer = valueOrFail(created, "create the local authorizer");
  } else {
    return nullptr;
  }
  auto* callbacks = new auto(mesos::authorization::createAuthorizationCallbacks(authorizer));
  process::http::authorization::setCallbacks(*callbacks);
  return authorizer;
}

Option<Authorizer*> optional(Authorizer* authorizer) {
  if (authorizer == nullptr) {
    return {};
  }
  return {authorizer};
}
