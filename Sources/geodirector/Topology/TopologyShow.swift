import ArgumentParser
import Topology

/// `geodirector topology show FILE`
struct TopologyShow: ParsableCommand {
  /// How the result is written.
  enum Format: String, ExpressibleByArgument, CaseIterable {
    case text, json, svg, map, mermaid
  }

  static let configuration = CommandConfiguration(
    commandName: "show",
    abstract: "Show or draw the network, or with --node show all that one node does.",
    discussion: """
      Examples:
        geodirector topology show topologies/two-sites.yaml
        geodirector topology show topologies/two-sites.yaml --node SD1
        geodirector topology show topologies/two-sites.yaml --node OP1 --format json
        geodirector topology show topologies/two-sites.yaml --format svg > two-sites.svg
        geodirector topology show topologies/world.yaml --format map > world.svg
      """)

  @OptionGroup var topology: TopologyFileArgument
  @Option(help: "Show the derived plan of this office, director, balancer or relay.") var node: String?
  @Option(help: "text or json; for the network also svg or mermaid, a drawing, or map, an SVG world map.") var format =
    Format.text

  func validate() throws {
    if node != nil, [.svg, .map, .mermaid].contains(format) {
      throw ValidationError("A drawing shows the whole network: leave out --node, or choose --format text or json.")
    }
  }

  func run() throws {
    let topology = try TopologyFiles.load(self.topology.path(), warnings: true)
    guard let node else {
      switch format {
      case .text: print(NetworkText(topology).text)
      case .json: print(try NetworkView(topology).json())
      case .svg: print(NetworkSVG(topology).text, terminator: "")
      case .map: print(WorldMapSVG(topology).text, terminator: "")
      case .mermaid: print(NetworkMermaid(topology).text, terminator: "")
      }
      return
    }
    let plan: NodePlan
    do {
      plan = try topology.plan(for: node)
    } catch {
      throw ValidationError("\(error)")
    }
    print(format == .json ? try PlanView(plan).json() : PlanText(plan).text)
  }
}
