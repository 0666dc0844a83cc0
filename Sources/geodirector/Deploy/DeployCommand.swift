import ArgumentParser

/// `geodirector deploy ...`: runs nodes of a topology.
struct DeployCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "deploy",
    abstract: "Run a node of a topology, or all of them.",
    discussion: """
      Every node is started with the same topology file and its own name.

        geodirector deploy office-proxy OP1 --topology topologies/two-sites.yaml
        geodirector deploy all --topology topologies/two-sites.yaml

      SIGTERM and SIGINT stop a node cleanly, SIGUSR1 stops it softly: its health listener closes at once, its service goes on
      for a while.
      """,
    subcommands: [
      DeployProxyNode<OfficeProxyRole>.self, DeployProxyNode<SiteDirectorRole>.self,
      DeployProxyNode<SiteBalancerRole>.self, DeployProxyNode<RelayRole>.self, DeployDemoServer.self, DeployAll.self,
    ])
}
