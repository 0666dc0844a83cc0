internal import Foundation

/// Where sockets lie that are gone when the machine starts anew.
enum RuntimeFolder {
  /// `/run` for root and for services of systemd; else the user's own folder, or one in /tmp that bears the user's number.
  static let path = path(
    user: geteuid(), environment: ProcessInfo.processInfo.environment)

  static func path(user: UInt32, environment: [String: String]) -> String {
    if user == 0 || environment["RUNTIME_DIRECTORY"]?.hasPrefix("/run/") == true { return "/run" }
    if let own = environment["XDG_RUNTIME_DIR"], own.hasPrefix("/"), !own.hasSuffix("/"),
      !own.split(separator: "/", omittingEmptySubsequences: false).dropFirst().contains(where: {
        $0.isEmpty || $0 == "." || $0 == ".."
      })
    {
      return own
    }
    return "/tmp/geodirector-\(user)"
  }
}
