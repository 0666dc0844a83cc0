internal import Topology

/// The page for people, on a listener of its own.
struct HAProxyStatusPage {
  let plan: NodePlan
  let page: StatusPagePlan

  func write(into lines: inout HAProxyLines) {
    lines.section("listen \(plan.name)-status")
    lines.add("bind \(HAProxyText.address(page.address))")
    lines.add("mode http")
    lines.add("option dontlog-normal")
    lines.add("stats enable")
    lines.add("stats uri \(HAProxyText.word(page.path))")
    lines.add("stats realm geodirector")
    let variable: String
    switch page.password {
    case .environment(let name): variable = name
    case .file(let path):
      variable = Self.variable
      lines.difference(
        "HAProxy reads no password from a file: start it with \(Self.variable) set to what is in \(path.filter { !$0.isNewline })."
      )
    }
    // The password itself is in no configuration: HAProxy takes it from its environment, too.
    lines.add("stats auth \"\(page.user):${\(variable)}\"")
  }

  private static let variable = "GEODIRECTOR_STATUS_PASSWORD"
}
