// swift-tools-version: 6.2
import PackageDescription

// Settings every Swift target shares. An import is private to its file unless it says otherwise,
// so a target's own import list is the architecture table and nothing leaks through it.
let settings: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("InternalImportsByDefault"),
]

// What a plugin's link line needs: one exported symbol, and an image that is never unmapped.
let pluginLinkerSettings: [LinkerSetting] = [
  .unsafeFlags([
    "-Xlinker", "--version-script=plugin-sdk/exports.map", "-Xlinker", "-z", "-Xlinker", "nodelete",
  ])
]

let nioCore: Target.Dependency = .product(name: "NIOCore", package: "swift-nio")
let nioPosix: Target.Dependency = .product(name: "NIOPosix", package: "swift-nio")
let nioHTTP1: Target.Dependency = .product(name: "NIOHTTP1", package: "swift-nio")
let nioWebSocket: Target.Dependency = .product(name: "NIOWebSocket", package: "swift-nio")
let nioSSL: Target.Dependency = .product(name: "NIOSSL", package: "swift-nio-ssl")
let crypto: Target.Dependency = .product(name: "Crypto", package: "swift-crypto")
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let hummingbird: Target.Dependency = .product(name: "Hummingbird", package: "hummingbird")
let pluginABI: Target.Dependency = .product(name: "PluginABI", package: "plugin-sdk")
let pluginKit: Target.Dependency = .product(name: "PluginKit", package: "plugin-sdk")

let package = Package(
  name: "aegis",
  products: [
    .executable(name: "aegis", targets: ["aegis"]),
    .executable(name: "aegis-plugin-host", targets: ["aegis-plugin-host"]),
    .library(name: "trend_follower", type: .dynamic, targets: ["TrendFollower"]),
    .library(name: "indicators", type: .dynamic, targets: ["Indicators"]),
    // For the nested Benchmarks package.
    .library(name: "Market", targets: ["Market"]),
    .library(name: "SharedMemory", targets: ["SharedMemory", "CPlatform"]),
    .library(name: "BinanceWire", targets: ["BinanceWire"]),
    .library(name: "PluginHost", targets: ["PluginHost", "CPlatform", "Market"]),
    .library(name: "Binance", targets: ["Binance"]),
    .library(name: "Engine", targets: ["Engine", "Trading", "Simulator", "PluginHost", "Tape"]),
  ],
  dependencies: [
    .package(path: "plugin-sdk"),
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
    .package(
      url: "https://github.com/apple/swift-configuration", from: "1.4.0",
      traits: ["JSON", "YAML", "CommandLineArguments", "Reloading"]),
    .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
    .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
    .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
    .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
    .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", from: "0.2.0"),
    .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    .package(url: "https://github.com/swiftlang/swift-subprocess", from: "1.0.2"),
  ],
  targets: [
    // C modules, one per library, each with the shims Swift cannot say (variadic calls, C globals).
    .target(name: "CPlatform", path: "Sources/CLibraries/CPlatform"),
    .target(name: "CCurl", path: "Sources/CLibraries/CCurl", linkerSettings: [.linkedLibrary("curl")]),
    .target(name: "CPostgres", path: "Sources/CLibraries/CPostgres", linkerSettings: [.linkedLibrary("pq")]),
    .target(
      name: "CHiredis", path: "Sources/CLibraries/CHiredis", linkerSettings: [.linkedLibrary("hiredis")]),
    .target(name: "CFFI", path: "Sources/CLibraries/CFFI", linkerSettings: [.linkedLibrary("ffi")]),
    .target(name: "CPluginProbe", path: "Sources/CLibraries/CPluginProbe"),
    .target(name: "CZlib", path: "Sources/CLibraries/CZlib", linkerSettings: [.linkedLibrary("z")]),

    .target(name: "Market", swiftSettings: settings, linkerSettings: [.linkedLibrary("m")]),
    .target(name: "SharedMemory", dependencies: ["CPlatform"], swiftSettings: settings),
    .target(name: "Tape", dependencies: ["SharedMemory"], swiftSettings: settings),
    .target(name: "Trading", dependencies: ["Market"], swiftSettings: settings),
    .target(name: "Simulator", dependencies: ["Market"], swiftSettings: settings),
    .target(name: "BinanceWire", dependencies: ["Market", crypto], swiftSettings: settings),
    .target(
      name: "PluginHost", dependencies: ["Market", "CFFI", "CPlatform", pluginABI],
      swiftSettings: settings),
    .target(
      name: "Binance",
      dependencies: [
        "Market", "SharedMemory", "BinanceWire", "CCurl", nioCore, nioPosix, nioHTTP1, nioWebSocket,
        nioSSL, logging,
      ],
      swiftSettings: settings),
    .target(
      name: "SimulatorServer",
      dependencies: [
        "Market", "BinanceWire", "Simulator", "CZlib", hummingbird, nioCore, nioPosix, nioHTTP1,
        nioWebSocket, logging, .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
      ],
      swiftSettings: settings),
    .target(
      name: "Storage",
      dependencies: [
        "Market", "Trading", "CPostgres", "CHiredis", .product(name: "GRDB", package: "GRDB.swift"),
      ],
      swiftSettings: settings),
    .target(
      name: "Engine",
      dependencies: [
        "Market", "SharedMemory", "Tape", "Trading", "Simulator", "BinanceWire", "PluginHost", "Binance",
        "SimulatorServer", "Storage", "CPlatform", "CZlib", pluginABI, hummingbird, nioCore, nioPosix,
        logging,
        .product(name: "Configuration", package: "swift-configuration"),
        .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
        .product(name: "Subprocess", package: "swift-subprocess"),
        .product(name: "Histogram", package: "hdrhistogram-swift"),
        .product(name: "Metrics", package: "swift-metrics"),
        .product(name: "Yams", package: "Yams"),
        .product(name: "HummingbirdCore", package: "hummingbird"),
      ],
      swiftSettings: settings),
    .executableTarget(
      name: "aegis",
      dependencies: [
        "Engine", "SimulatorServer", .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: settings),
    .executableTarget(
      name: "aegis-plugin-host", dependencies: ["PluginHost", "CPluginProbe"], swiftSettings: settings),

    .target(
      name: "TrendFollower", dependencies: [pluginABI, pluginKit], path: "Plugins/TrendFollower",
      swiftSettings: settings, linkerSettings: pluginLinkerSettings),
    .target(
      name: "Indicators", dependencies: [pluginABI, pluginKit], path: "Plugins/Indicators",
      swiftSettings: settings, linkerSettings: pluginLinkerSettings),

    .testTarget(
      name: "CLibrariesTests", dependencies: ["CCurl", "CFFI", "CHiredis", "CPostgres", "CZlib"],
      swiftSettings: settings),
    .testTarget(name: "MarketTests", dependencies: ["Market"], swiftSettings: settings),
    .testTarget(
      name: "SharedMemoryTests", dependencies: ["SharedMemory", "CPlatform"], swiftSettings: settings),
    .testTarget(
      name: "TapeTests", dependencies: ["Tape", "SharedMemory", "CPlatform"], swiftSettings: settings),
    .testTarget(name: "TradingTests", dependencies: ["Trading", "Market"], swiftSettings: settings),
    .testTarget(name: "SimulatorTests", dependencies: ["Simulator", "Market"], swiftSettings: settings),
    .testTarget(name: "BinanceWireTests", dependencies: ["BinanceWire", "Market"], swiftSettings: settings),
    .testTarget(
      name: "BinanceTests",
      dependencies: [
        "Binance", "BinanceWire", "Market", "SharedMemory", nioCore, nioPosix, nioHTTP1, nioWebSocket,
        .product(name: "NIOEmbedded", package: "swift-nio"),
      ],
      swiftSettings: settings),
    .testTarget(
      name: "SimulatorServerTests", dependencies: ["SimulatorServer", "Simulator", "BinanceWire", "Market"],
      swiftSettings: settings),
    .testTarget(
      name: "PluginHostTests", dependencies: ["PluginHost", "CPlatform", "Market", pluginABI],
      swiftSettings: settings),
    .testTarget(
      name: "PluginSDKTests", dependencies: ["Engine", "PluginHost", "Market", pluginABI, pluginKit],
      swiftSettings: settings),
    .testTarget(
      name: "StorageTests",
      dependencies: ["Storage", "Trading", "Market", .product(name: "GRDB", package: "GRDB.swift")],
      swiftSettings: settings),
    .testTarget(
      name: "EngineTests",
      dependencies: [
        "Engine", "Trading", "Simulator", "SharedMemory", "Tape", "Storage", "Market", "BinanceWire",
        "Binance", logging,
        "PluginHost",
      ],
      swiftSettings: settings),
    .testTarget(name: "TreeTests", swiftSettings: settings),
  ]
)
