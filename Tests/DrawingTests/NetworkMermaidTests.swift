import Foundation
import Testing
import Topology

@testable import geodirector

@Suite struct NetworkMermaidTests {
  /// Reads the few forms of line that are written; nil: the line has another form.
  private func declared(_ line: String) -> (id: String, opens: Bool)? {
    for pattern in [
      #/^subgraph (\w+)\["[^"]+"\]$/#, #/^(\w+)\["[^"]+"\]$/#, #/^(\w+)\(\["[^"]+"\]\)$/#,
    ] {
      if let match = line.wholeMatch(of: pattern) { return (String(match.1), line.hasPrefix("subgraph")) }
    }
    return nil
  }

  @Test(arguments: Networks.names) func everyLineHasAFormOfTheLanguage(name: String) throws {
    let topology = try Networks.named(name)
    var lines = NetworkMermaid(topology).text.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }
    #expect(lines.removeFirst() == "flowchart LR")
    #expect(lines.removeFirst().hasPrefix("%% "))
    var ids: Set<String> = []
    var depth = 0
    var edges: [(String, String)] = []
    for line in lines {
      if let (id, opens) = declared(line) {
        #expect(ids.insert(id).inserted, "\(id) stands once")
        if opens { depth += 1 }
      } else if line == "end" {
        depth -= 1
        #expect(depth >= 0)
      } else if let match = line.wholeMatch(of: #/^(\w+) (?:==>|-\.->|<-->)\|"[^"|]+"\| (\w+)$/#) {
        edges.append((String(match.1), String(match.2)))
      } else if let match = line.wholeMatch(of: #/^(\w+) --> (\w+) --> (\w+)$/#) {
        edges += [(String(match.1), String(match.2)), (String(match.2), String(match.3))]
      } else {
        #expect(line == "direction TB", "\(line)")
      }
    }
    #expect(depth == 0)
    for (from, to) in edges { #expect(ids.contains(from) && ids.contains(to)) }
    // A renderer takes 500 edges unless it is told otherwise.
    #expect(edges.count <= 500)
    for node in topology.nodes { #expect(lines.contains { $0.contains("\"\(node.name)\"") }) }
  }

  @Test func linksSayWhatTheFileSays() throws {
    let text = NetworkMermaid(try Networks.named("three-sites")).text
    #expect(text.contains("o0 ==>|\"1: 5 ms 1 Gbit/s 0.02/GB\"| s0"))
    #expect(text.contains("s0 <-->|\"42 ms 10 Gbit/s 0.04/GB\"| s1"))
    #expect(text.contains("subgraph s2[\"SINGAPORE\"]"))
  }
}
