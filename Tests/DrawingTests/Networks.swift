import Foundation
import Testing
import Topology
import TopologyFile

/// The networks that are drawn in tests.
enum Networks {
  static let names = ["two-sites", "three-sites", "worldwide", "bare"]

  static func named(_ name: String) throws -> Topology {
    switch name {
    case "worldwide": return try load(worldwide(), name)
    case "bare": return try load(bare, name)
    default:
      let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()
      return try #require(
        TopologyLoader.load(repository.appendingPathComponent("topologies/\(name).yaml").path).topology)
    }
  }

  private static func load(_ text: String, _ name: String) throws -> Topology {
    let (topology, diagnostics) = TopologyLoader.load(text: text, file: "\(name).yaml")
    #expect(diagnostics.filter { $0.severity == .error }.isEmpty)
    return try #require(topology)
  }

  /// One site, no office, no link.
  private static let bare = """
    geodirector: 1
    sites:
      - name: HOME
        directors: [{name: D, listen: "127.0.0.1:8001"}]
        balancers: [{name: end, listen: "127.0.0.1:8002"}]
        servers: [{name: W, address: "127.0.0.1:9000"}]

    """

  /// Ten sites of two directors, two balancers and up to 40 servers; thirty offices; every link there can be.
  static func worldwide() -> String {
    var text = "geodirector: 1\nnetwork: worldwide\nsites:\n"
    let sites = (0..<10).map { "SITE-\($0)" + String(repeating: "X", count: $0 * 2) }
    for (site, name) in sites.enumerated() {
      func nodes(_ letter: String, _ kind: Int) -> String {
        (1...2).map {
          "{name: \(letter)\(site)\($0), listen: \"127.\(site + 10).\(kind).\($0):80\", monitor: \"127.\(site + 10).\(kind).\($0):81\"}"
        }.joined(separator: ", ")
      }
      let servers = (1...site * 4 + 2).map { "{name: W\(site)-\($0), address: \"127.\(site + 10).3.\($0):80\"}" }
      text += "  - name: \(name)\n    cookie: C\(site)\n    directors: [\(nodes("D", 1))]\n"
      text += "    balancers: [\(nodes("L", 2))]\n    servers: [\(servers.joined(separator: ", "))]\n"
    }
    text += "offices:\n"
    for office in 0..<30 {
      let order = (0..<10).map { sites[($0 * 7 + office) % 10] }.joined(separator: ", ")
      text +=
        "  - {name: OFFICE-\(office), users: \(office * 3), listen: \"127.9.\(office).1:80\", preference: [\(order)]}\n"
    }
    text += "links:\n"
    for office in 0..<30 {
      for (site, name) in sites.enumerated() {
        let bandwidth = site % 2 == 0 ? ", bandwidth: 100Mbit" : ""
        text +=
          "  - {between: [OFFICE-\(office), \(name)], latency: \(5 + office + site * 10)ms\(bandwidth), cost-per-gigabyte: 0.0\(site)}\n"
      }
    }
    for first in 0..<10 {
      for second in first + 1..<10 {
        text += "  - {between: [\(sites[second]), \(sites[first])], latency: \(first + second)ms, loss: 0.001}\n"
      }
    }
    return text
  }
}
