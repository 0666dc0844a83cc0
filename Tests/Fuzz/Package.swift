// swift-tools-version: 6.3
// Fuzzers of everything that reads what others wrote. `Tests/Fuzz/run` builds and runs them; the sources under test are
// those of the main package, by links.
import PackageDescription

let strict: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("InternalImportsByDefault"),
]

// libFuzzer brings the main function.
let fuzzer = strict + [.unsafeFlags(["-parse-as-library"])]

let package = Package(
  name: "fuzz",
  dependencies: [.package(url: "https://github.com/jpsim/Yams", from: "6.2.2")],
  targets: [
    .target(name: "HTTPMessage", swiftSettings: strict),
    .target(name: "Topology", swiftSettings: strict),
    .target(name: "TopologyFile", dependencies: ["Topology", "Yams"], swiftSettings: strict),
    .target(name: "FuzzKit", dependencies: ["HTTPMessage"], swiftSettings: strict),
    .executableTarget(name: "FuzzRequestHead", dependencies: ["FuzzKit", "HTTPMessage"], swiftSettings: fuzzer),
    .executableTarget(name: "FuzzResponseHead", dependencies: ["FuzzKit", "HTTPMessage"], swiftSettings: fuzzer),
    .executableTarget(name: "FuzzChunked", dependencies: ["FuzzKit", "HTTPMessage"], swiftSettings: fuzzer),
    .executableTarget(name: "FuzzCookies", dependencies: ["FuzzKit", "HTTPMessage"], swiftSettings: fuzzer),
    .executableTarget(name: "FuzzClientHello", dependencies: ["FuzzKit", "HTTPMessage"], swiftSettings: fuzzer),
    .executableTarget(name: "FuzzProxyHeader", dependencies: ["FuzzKit", "HTTPMessage"], swiftSettings: fuzzer),
    .executableTarget(
      name: "FuzzTopology", dependencies: ["FuzzKit", "Topology", "TopologyFile"], swiftSettings: fuzzer),
  ]
)
