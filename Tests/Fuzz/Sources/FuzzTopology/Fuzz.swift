import Topology
import TopologyFile

/// Any text: read to the end, every refusal says why, and of a network that is taken every node has a plan.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ data: UnsafePointer<UInt8>?, _ size: Int) -> CInt {
  let text = String(decoding: UnsafeBufferPointer(start: data, count: size), as: UTF8.self)
  // A file may include others: none of these is there.
  if text.contains("include") { return 0 }
  let (topology, diagnostics) = TopologyLoader.load(text: text, file: "/nonexistent/fuzz.yaml")
  guard let topology else {
    precondition(diagnostics.contains { $0.severity == .error }, "refused without a reason")
    return 0
  }
  for diagnostic in diagnostics { precondition(!diagnostic.message.isEmpty) }
  for node in topology.nodes { _ = try? topology.plan(for: node.name) }
  return 0
}
