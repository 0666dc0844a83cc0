import ArgumentParser
import Topology
import TopologyFile

/// `geodirector topology show FILE`
struct TopologyShow: ParsableCommand {
  /// How the result is written.
  enum Format: String, ExpressibleByArgument, CaseIterable {
    case text, json
  }

  static let configuration = CommandConfiguration(
    commandName: "show",
    abstract: "Show the network, or with --node all that one node does.",
    discussion: """
      Examples:
        geodirector topology show topologies/two-sites.yaml
        geodirector topology show topologies/two-sites.yaml --node SD1
        geodirector topology show topologies/two-sites.yaml --node OP1 --format json
      """)

  @OptionGroup var topology: TopologyFileArgument
  @Option(help: "Show the derived plan of this office, director or balancer.") var node: String?
  @Option(help: "text or json.") var format = Format.text

  func run() throws {
    let topology = try loadTopology(self.topology.path())
    guard let node else {
      print(format == .json ? try NetworkView(topology).json() : NetworkText(topology).text)
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
