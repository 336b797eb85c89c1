// swift-tools-version: 6.3
import PackageDescription

let package = Package(
  name: "template-strategy",
  products: [.library(name: "template_strategy", type: .dynamic, targets: ["TemplateStrategy"])],
  dependencies: [.package(path: "sdk")],
  targets: [
    .target(
      name: "TemplateStrategy",
      dependencies: [
        .product(name: "PluginABI", package: "sdk"), .product(name: "PluginKit", package: "sdk"),
      ],
      swiftSettings: [.swiftLanguageMode(.v6)],
      // One exported symbol, and an image that is never unmapped: Swift cannot be unloaded.
      linkerSettings: [
        .unsafeFlags([
          "-Xlinker", "--version-script=sdk/exports.map", "-Xlinker", "-z", "-Xlinker", "nodelete",
        ])
      ]),
    .testTarget(
      name: "TemplateStrategyTests",
      dependencies: ["TemplateStrategy", .product(name: "PluginABI", package: "sdk")],
      swiftSettings: [.swiftLanguageMode(.v6)]),
  ]
)
