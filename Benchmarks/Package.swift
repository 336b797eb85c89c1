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
  dependencies: [.package(name: "aegis", path: "..")],
  targets: [
    .executableTarget(
      name: "RingBenchmark", dependencies: [.product(name: "SharedMemory", package: "aegis")],
      swiftSettings: settings)
  ]
)
