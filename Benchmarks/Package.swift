// swift-tools-version: 6.2
import PackageDescription

let settings: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("InternalImportsByDefault"),
]

let package = Package(
  name: "Benchmarks",
  dependencies: [.package(name: "aegis", path: ".."), .package(path: "../plugin-sdk")],
  targets: [
    .executableTarget(
      name: "RingBenchmark", dependencies: [.product(name: "SharedMemory", package: "aegis")],
      swiftSettings: settings),
    .executableTarget(
      name: "DecodeBenchmark",
      dependencies: [
        .product(name: "BinanceWire", package: "aegis"), .product(name: "Market", package: "aegis"),
      ],
      swiftSettings: settings),
    .executableTarget(
      name: "IngestBenchmark",
      dependencies: [
        .product(name: "Binance", package: "aegis"), .product(name: "Market", package: "aegis"),
        .product(name: "SharedMemory", package: "aegis"),
      ],
      swiftSettings: settings),
    .executableTarget(
      name: "IsolatedBenchmark",
      dependencies: [
        .product(name: "PluginHost", package: "aegis"),
        .product(name: "PluginABI", package: "plugin-sdk"),
      ],
      swiftSettings: settings),
    .executableTarget(
      name: "BrainBenchmark",
      dependencies: [
        .product(name: "Engine", package: "aegis"), .product(name: "Binance", package: "aegis"),
        .product(name: "Market", package: "aegis"), .product(name: "SharedMemory", package: "aegis"),
      ],
      swiftSettings: settings),
  ]
)
