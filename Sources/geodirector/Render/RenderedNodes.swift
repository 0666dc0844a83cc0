import ArgumentParser
import Foundation
import Rendering
import Topology

/// Configuration for one node, on standard output, or for every node, a file each in a directory.
struct RenderTarget: ParsableArguments {
  @OptionGroup var topology: TopologyFileArgument
  @Option(help: "The node. Default: the only one; with --directory all of them.") var node: String?
  @Option(help: "Write one file a node into this directory, which must be there.") var directory: String?

  func validate() throws {
    if node != nil, directory != nil { throw ValidationError("Give --node or --directory, not both.") }
  }

  /// Writes what `render` makes of each plan: a file name and a text, or nil where there is nothing to write.
  ///
  /// - Parameter doubts: what is told on standard error first, of the things that are rendered.
  func write(
    _ render: (Topology, NodePlan) -> (fileName: String, text: String)?, nothing: String,
    doubts: (Topology) -> [Diagnostic] = { _ in [] }
  ) throws {
    let topology = try TopologyFiles.load(self.topology.path(), warnings: false)
    TopologyFiles.print(doubts(topology))
    let names: [String]
    if let node {
      names = [node]
    } else if directory != nil || topology.nodes.count == 1 {
      names = topology.nodes.map(\.name)
    } else {
      throw ValidationError("Which node? Give --node NAME, or --directory for all of them.")
    }
    for name in names {
      let plan: NodePlan
      do {
        plan = try topology.plan(for: name)
      } catch {
        throw ValidationError("\(error)")
      }
      guard let (fileName, text) = render(topology, plan) else {
        if directory == nil {
          StandardError.write("Error: \(name) \(nothing)\n")
          throw ExitCode.configuration
        }
        continue
      }
      guard let directory else {
        print(text, terminator: "")
        continue
      }
      do {
        try text.write(toFile: "\(directory)/\(fileName)", atomically: true, encoding: .utf8)
      } catch {
        StandardError.write("Error: \(directory)/\(fileName) cannot be written\n")
        throw ExitCode(1)
      }
    }
  }
}

/// `geodirector topology render haproxy FILE`
struct RenderHAProxy: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "haproxy",
    abstract: "The equivalent of a node as a configuration of HAProxy 2.6.",
    discussion: """
      What HAProxy does otherwise stands in it as comments that begin with "Difference:".

      Example:
        geodirector topology render haproxy network.yaml --node SD1 > haproxy.cfg && haproxy -c -f haproxy.cfg
      """)
  @OptionGroup var target: RenderTarget

  func run() throws {
    try target.write({ _, plan in ("\(plan.name).cfg", HAProxyConfiguration(plan).text) }, nothing: "has no plan")
  }
}

/// `geodirector topology render keepalived FILE`
struct RenderKeepalived: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "keepalived",
    abstract: "The configuration of keepalived on a node that shares addresses with others.",
    discussion: """
      Peers are spoken to by unicast; the node itself is asked by its monitor, once a second. With "notify" its command is told when the address comes or goes.
      What is doubtful about the shared addresses is told on standard error, as by "topology check".

      Example:
        geodirector topology render keepalived network.yaml --node S1L1 > /etc/keepalived/keepalived.conf
      """)
  @OptionGroup var target: RenderTarget
  @Option(help: "Where geodirector is on the node's machine, an absolute path.") var program =
    "/usr/local/bin/geodirector"
  @Option(help: "User, and group if need be, that asks the monitor and runs the command of notify.") var scriptUser =
    "nobody nogroup"

  /// keepalived splits a script's line at spaces, and has no way to write all of these otherwise.
  func validate() throws {
    let isPlain = { (text: String, more: String) in
      text.utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
          UInt8(ascii: "0")...UInt8(ascii: "9"):
          true
        default: more.utf8.contains(byte)
        }
      }
    }
    guard program.hasPrefix("/"), isPlain(program, "/._-+@") else {
      throw ValidationError("--program: an absolute path of letters, digits and / . _ - + @")
    }
    guard !scriptUser.isEmpty, isPlain(scriptUser, "._- ") else {
      throw ValidationError("--script-user: a user, and if need be a space and a group")
    }
  }

  func run() throws {
    let scripts = KeepalivedConfiguration.Scripts(
      program: program, user: scriptUser, directory: FileManager.default.currentDirectoryPath)
    try target.write(
      { topology, plan in
        KeepalivedConfiguration(topology, node: plan.name, scripts: scripts).map { ("\(plan.name).conf", $0.text) }
      }, nothing: "shares no address: it has no \"vrrp\"",
      doubts: { $0.sharedAddressWarnings() })
  }
}

/// `geodirector topology render systemd FILE`
struct RenderSystemd: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "systemd",
    abstract: "A systemd unit for a node, with no more rights than it needs.",
    discussion: """
      Relative paths of certificates and keys lead from the directory in which this runs.

      Example:
        geodirector topology render systemd /etc/geodirector/network.yaml --node SD1 > /etc/systemd/system/geodirector-SD1.service
      """)
  @OptionGroup var target: RenderTarget
  @Option(help: "Where geodirector is on the node's machine, an absolute path.") var program =
    "/usr/local/bin/geodirector"

  func run() throws {
    let path = URL(fileURLWithPath: try target.topology.path()).standardizedFileURL.path
    try target.write(
      { _, plan in
        let unit = SystemdUnit(
          plan, program: program, topologyPath: path, directory: FileManager.default.currentDirectoryPath)
        return (unit.fileName, unit.text)
      }, nothing: "has no plan")
  }
}
