import ArgumentParser
import Proxy
import Topology

/// `geodirector deploy office-proxy NAME`
struct DeployOfficeProxy: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "office-proxy", abstract: "Run the proxy of an office.",
    discussion: "  geodirector deploy office-proxy OP1 --topology topologies/two-sites.yaml")

  @Argument(help: "The office's name in the topology.") var name: String
  @OptionGroup var topology: TopologyOptions
  @OptionGroup var node: NodeRunOptions

  func run() async throws { try await ProxyDeployment.run(name, role: .officeProxy, topology: topology, node: node) }
}

/// `geodirector deploy site-director NAME`
struct DeploySiteDirector: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "site-director", abstract: "Run a director of a site.",
    discussion: "  geodirector deploy site-director SD1 --topology topologies/two-sites.yaml")

  @Argument(help: "The director's name in the topology.") var name: String
  @OptionGroup var topology: TopologyOptions
  @OptionGroup var node: NodeRunOptions

  func run() async throws { try await ProxyDeployment.run(name, role: .siteDirector, topology: topology, node: node) }
}

/// `geodirector deploy site-balancer NAME`
struct DeploySiteBalancer: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "site-balancer", abstract: "Run a balancer of a site.",
    discussion: "  geodirector deploy site-balancer S1L1 --topology topologies/two-sites.yaml")

  @Argument(help: "The balancer's name in the topology.") var name: String
  @OptionGroup var topology: TopologyOptions
  @OptionGroup var node: NodeRunOptions

  func run() async throws { try await ProxyDeployment.run(name, role: .siteBalancer, topology: topology, node: node) }
}

/// What the three proxy roles have in common: all of it.
enum ProxyDeployment {
  static func run(_ name: String, role: DeployRole, topology options: TopologyOptions, node: NodeRunOptions)
    async throws
  {
    try await DeployFailure.reported {
      let topology = try options.load()
      if let problem = NodeLookup(topology).problem(name: name, role: role, topologyPath: try options.path()) {
        throw DeployFailure.usage(problem)
      }
      if node.supervised { Supervision.stopWithSupervisor() }
      let plan: NodePlan
      do {
        plan = try topology.plan(for: name)
      } catch {
        throw DeployFailure.configuration("\(error)")
      }
      do {
        try ProxyNode.run(plan: plan, options: node.nodeOptions)
      } catch let error as NodeError {
        throw DeployFailure.runtime("\(name): \(error.description)")
      }
    }
  }
}
