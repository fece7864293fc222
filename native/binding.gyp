{
  "variables": { "sanitize%": 0, "strict%": 1 },
  "target_defaults": {
    "defines": ["NAPI_VERSION=9", "NODE_ADDON_API_DISABLE_DEPRECATED", "NODE_ADDON_API_ENABLE_MAYBE", "NAPI_DISABLE_CPP_EXCEPTIONS", "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS"],
    "cflags!": ["-fexceptions"],
    "cflags_cc!": ["-fexceptions", "-std=gnu++17", "-std=gnu++20", "-fno-rtti"],
    "cflags": ["-Wall", "-Wextra", "-Wno-missing-field-initializers", "-fvisibility=hidden", "-fno-exceptions"],
    "cflags_cc": [
      "-std=c++20", "-Wshadow", "-Wno-shadow=global", "-fvisibility-inlines-hidden",
      "-isystem<(module_root_dir)/<!(node -p \"require('node-addon-api').include_dir\")"
    ],
    "ldflags": ["-Wl,-z,nodelete", "-Wl,-z,now", "-Wl,--gc-sections"],
    "conditions": [
      ["strict==1", { "cflags": ["-Werror"] }],
      ["sanitize==1", {
        "cflags": ["-Wno-maybe-uninitialized", "-fsanitize=address,undefined", "-fno-omit-frame-pointer", "-fno-sanitize-recover=undefined", "-g", "-O1"],
        "ldflags": ["-fsanitize=address,undefined"]
      }]
    ]
  },
  "targets": [
    {
      "target_name": "percore",
      "sources": [
        "src/addon.cc", "src/constants.cc", "src/descriptors.cc", "src/environment.cc", "src/execute.cc",
        "src/file-work.cc", "src/kernel.cc", "src/loop.cc",
        "src/native-ring.cc", "src/poller.cc", "src/probe.cc", "src/readiness.cc", "src/ring.cc", "src/session.cc", "src/syscalls.cc"
      ]
    },
    {
      # OpenSSL is node's own: its headers come with node's, and nothing is linked. "-z now" makes a node without it fail at
      # require(), not in a request; being an addon apart, it takes nothing else down.
      "target_name": "percore_tls",
      "sources": [
        "src/tls/addon.cc", "src/tls/bio.cc", "src/tls/context.cc", "src/tls/engine.cc", "src/tls/faces.cc",
        "src/tls/session.cc", "src/tls/ticket-ring.cc"
      ]
    }
  ]
}
