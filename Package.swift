// swift-tools-version: 6.3
import PackageDescription

/// Settings every Swift target is built with: warnings are errors, imports and existentials are explicit.
let strict: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .treatAllWarnings(as: .error),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("InternalImportsByDefault"),
]

/// For the decision core: the proxy and the simulator call it many times a request, across the border of a module.
let core = strict + [SwiftSetting.unsafeFlags(["-cross-module-optimization"], .when(configuration: .release))]

let package = Package(
  name: "geodirector",
  products: [.executable(name: "geodirector", targets: ["geodirector"])],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
  ],
  targets: [
    .target(name: "Topology", swiftSettings: strict),
    .target(name: "TopologyFile", dependencies: ["Topology", "Yams"], swiftSettings: strict),
    .target(name: "HTTPMessage", swiftSettings: strict),
    .target(name: "Routing", dependencies: ["Topology"], swiftSettings: core),
    .target(name: "Simulation", dependencies: ["Geo", "Topology", "Routing", "HTTPMessage"], swiftSettings: strict),
    .target(name: "Geo", dependencies: ["Topology"], swiftSettings: strict),
    .systemLibrary(name: "CMaxMindDB", pkgConfig: "libmaxminddb", providers: [.apt(["libmaxminddb-dev"])]),
    .target(name: "GeoDatabase", dependencies: ["CMaxMindDB", "Geo", "Topology"], swiftSettings: strict),
    .target(name: "Rendering", dependencies: ["Topology"], swiftSettings: strict),
    .target(
      name: "Operations", dependencies: ["CReactor", "HTTPMessage", "Routing", "TLS", "Topology"], swiftSettings: strict
    ),
    .target(name: "CReactor"),
    .target(
      name: "COpenSSL", dependencies: ["CReactor"],
      linkerSettings: [.linkedLibrary("ssl"), .linkedLibrary("crypto")]),
    .target(name: "TLS", dependencies: ["COpenSSL", "CReactor", "HTTPMessage", "Topology"], swiftSettings: strict),
    .target(name: "Reactor", dependencies: ["CReactor"], swiftSettings: strict),
    .target(
      name: "Proxy",
      dependencies: [
        "CReactor", "Reactor", "Routing", "HTTPMessage", "TLS", "Topology", "Geo", "GeoDatabase", "Operations",
        .product(name: "Logging", package: "swift-log"),
      ],
      swiftSettings: strict),
    .target(
      name: "DemoServer",
      dependencies: [
        "CReactor", "TLS", "Topology",
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"),
        .product(name: "NIOHTTP1", package: "swift-nio"),
      ],
      swiftSettings: strict),
    .executableTarget(
      name: "geodirector",
      dependencies: [
        "CReactor", "Topology", "TopologyFile", "Simulation", "Proxy", "DemoServer", "Geo", "GeoDatabase", "Operations",
        "Routing", "Rendering", "TLS",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "Logging", package: "swift-log"),
      ],
      swiftSettings: strict),
    .executableTarget(
      name: "GeoLookups", dependencies: ["Geo", "GeoDatabase", "Topology"], path: "Tests/Benchmarks/GeoLookups",
      swiftSettings: strict),
    .executableTarget(
      name: "Selections", dependencies: ["Routing", "Topology", "TopologyFile"], path: "Tests/Benchmarks/Selections",
      swiftSettings: strict),
    .target(name: "TestRandom", path: "Tests/TestRandom", swiftSettings: strict),
    .testTarget(name: "TopologyTests", dependencies: ["Topology"], swiftSettings: strict),
    .testTarget(
      name: "TopologyFileTests", dependencies: ["Topology", "TopologyFile", "TestRandom"], exclude: ["Broken"],
      swiftSettings: strict),
    .testTarget(name: "GeoTests", dependencies: ["Geo", "Topology", "TestRandom"], swiftSettings: strict),
    .testTarget(
      name: "GeoDatabaseTests", dependencies: ["Geo", "GeoDatabase", "Topology", "TestRandom"], swiftSettings: strict),
    .testTarget(name: "HTTPMessageTests", dependencies: ["HTTPMessage", "TestRandom"], swiftSettings: strict),
    .testTarget(name: "RoutingTests", dependencies: ["Routing", "Topology"], swiftSettings: strict),
    .testTarget(
      name: "SimulationTests", dependencies: ["Geo", "Simulation", "Routing", "Topology", "TopologyFile"],
      exclude: ["Finds"],
      swiftSettings: strict),
    .testTarget(
      name: "DemoServerTests", dependencies: ["DemoServer", "Topology"], swiftSettings: strict),
    .testTarget(
      name: "DeployTests", dependencies: ["geodirector", "DemoServer", "Topology"], swiftSettings: strict),
    .testTarget(
      name: "DrawingTests", dependencies: ["geodirector", "Geo", "Topology", "TopologyFile"], swiftSettings: strict),
    .testTarget(
      name: "SimulationReportTests", dependencies: ["geodirector", "Simulation", "Topology"], swiftSettings: strict),
    .testTarget(
      name: "TLSTests", dependencies: ["TLS", "COpenSSL", "CReactor", "Reactor", "HTTPMessage", "Topology"],
      swiftSettings: strict),
    .testTarget(
      name: "RenderingTests", dependencies: ["Rendering", "Topology", "TopologyFile"], swiftSettings: strict),
    .testTarget(
      name: "OperationsTests", dependencies: ["CReactor", "Operations", "Routing", "TLS", "Topology"],
      swiftSettings: strict),
    .testTarget(name: "ReactorTests", dependencies: ["Reactor", "CReactor"], swiftSettings: strict),
    .testTarget(
      name: "ProxyTests",
      dependencies: [
        "Proxy", "Reactor", "HTTPMessage", "Operations", "Routing", "Topology",
        .product(name: "Logging", package: "swift-log"),
      ],
      swiftSettings: strict),
  ]
)
