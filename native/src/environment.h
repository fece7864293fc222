// What one Node environment (main thread or worker) holds of us. There are no globals: every worker has its own.
#ifndef PERCORE_ENVIRONMENT_H_
#define PERCORE_ENVIRONMENT_H_

#include <napi.h>

#include <algorithm>
#include <vector>

namespace percore {

class Session;

class Environment {
 public:
  static Environment* Of(Napi::Env env) { return env.GetInstanceData<Environment>(); }

  void Add(Session* session) { sessions_.push_back(session); }
  void Remove(Session* session) { std::erase(sessions_, session); }
  // A descriptor is closed behind the rings' backs.
  void Forget(int fd);

  Napi::FunctionReference ring_class;

 private:
  std::vector<Session*> sessions_;
};

}  // namespace percore

#endif  // PERCORE_ENVIRONMENT_H_
