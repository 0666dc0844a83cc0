import ArgumentParser
import Proxy
import Topology

/// What the commands of the proxy roles differ in.
protocol DeployedRole {
  static var role: NodeRole { get }
  static var abstract: String { get }
  static var nameHelp: ArgumentHelp { get }
  /// A node of a ready-made network.
  static var example: String { get }
  static var exampleFile: String { get }
}

extension DeployedRole {
  static var exampleFile: String { "topologies/two-sites.yaml" }
}

enum OfficeProxyRole: DeployedRole {
  static let role = NodeRole.officeProxy
  static let abstract = "Run the proxy of an office."
  static let nameHelp: ArgumentHelp = "The office's name in the topology."
  static let example = "OP1"
}

enum SiteDirectorRole: DeployedRole {
  static let role = NodeRole.siteDirector
  static let abstract = "Run a director of a site."
  static let nameHelp: ArgumentHelp = "The director's name in the topology."
  static let example = "SD1"
}

enum SiteBalancerRole: DeployedRole {
  static let role = NodeRole.siteBalancer
  static let abstract = "Run a balancer of a site."
  static let nameHelp: ArgumentHelp = "The balancer's name in the topology."
  static let example = "S1L1"
}

enum RelayRole: DeployedRole {
  static let role = NodeRole.relay
  static let abstract = "Run a relay of TCP connections."
  static let nameHelp: ArgumentHelp = "The relay's name in the topology."
  static let example = "LB1"
  static let exampleFile = "topologies/tcp-relays.yaml"
}

/// `geodirector deploy office-proxy|site-director|site-balancer|relay NAME`
struct DeployProxyNode<Role: DeployedRole>: AsyncParsableCommand {
  static var configuration: CommandConfiguration {
    CommandConfiguration(
      commandName: Role.role.rawValue, abstract: Role.abstract,
      discussion: "  geodirector deploy \(Role.role.rawValue) \(Role.example) --topology \(Role.exampleFile)")
  }

  @Argument(help: Role.nameHelp) var name: String
  @OptionGroup var topology: TopologyOptions
  @OptionGroup var node: NodeRunOptions

  func run() async throws {
    try await DeployFailure.reported {
      let loaded = try topology.load()
      let role = DeployRole(Role.role)
      if let problem = NodeLookup(loaded).problem(name: name, role: role, topologyPath: try topology.path()) {
        throw DeployFailure.usage(problem)
      }
      if node.supervised { Supervision.stopWithSupervisor() }
      let plan: NodePlan
      do {
        plan = try loaded.plan(for: name)
      } catch {
        throw DeployFailure.configuration("\(error)")
      }
      var options = node.nodeOptions
      options.source = try topology.source(of: name)
      options.command = ThisProgram.command
      do {
        try ProxyNode.run(plan: plan, options: options)
      } catch let error as NodeError where error.kind == .configuration {
        throw DeployFailure.configuration("\(name): \(error.description)")
      } catch let error as NodeError {
        throw DeployFailure.runtime("\(name): \(error.description)")
      }
    }
  }
}
