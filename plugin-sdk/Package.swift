// swift-tools-version: 6.2
import PackageDescription

// The SDK a plugin author builds against: the C header and the Swift layer over it. No dependencies and
// no unsafe flags, so it can be used from any package, by path or by version.
let package = Package(
  name: "plugin-sdk",
  products: [
    .library(name: "PluginABI", targets: ["PluginABI"]),
    .library(name: "PluginKit", targets: ["PluginKit"]),
  ],
  targets: [
    .target(name: "PluginABI", path: "include", sources: ["abi.c"], publicHeadersPath: "."),
    .target(
      name: "PluginKit", dependencies: ["PluginABI"], path: "PluginKit",
      swiftSettings: [
        .swiftLanguageMode(.v6), .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("MemberImportVisibility"),
      ]),
  ]
)
