public import Topology

/// One proxy node.
public enum ProxyNode {
  /// Runs the node until a signal stops it. Returns when stopped cleanly.
  public static func run(plan: NodePlan, options: NodeOptions) throws(NodeError) {
    throw NodeError(kind: .other, description: "not built")
  }
}

/// Why a node cannot run.
public struct NodeError: Error, CustomStringConvertible {
  /// What went wrong.
  public enum Kind: Sendable { case portInUse, missingPrivilege, other }
  /// What went wrong.
  public var kind: Kind
  /// A sentence with the mend.
  public var description: String
}
