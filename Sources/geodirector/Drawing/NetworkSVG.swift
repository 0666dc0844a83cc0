import Topology

/// A network as an SVG drawing, legible on light and on dark ground.
struct NetworkSVG {
  let picture: NetworkPicture
  private let layout: NetworkLayout

  init(_ topology: Topology) {
    picture = NetworkPicture(topology)
    layout = NetworkLayout(picture)
  }

  var text: String {
    var svg = SVGText(
      width: layout.width, height: layout.height, title: "Network \(picture.topology.name)",
      description: picture.description, style: DrawingStyle.text)
    svg.rectangle("ground", x: 0, y: 0, width: layout.width, height: layout.height)
    svg.text("heading", x: NetworkLayout.margin, y: 44, picture.topology.name)
    svg.text("note", x: NetworkLayout.margin, y: 66, picture.description)
    // Lesser lines first, so that those of preferred sites lie above.
    for curve in layout.curves.sorted(by: { $0.rank > $1.rank }) { draw(curve, in: &svg) }
    for arc in layout.arcs { draw(arc, in: &svg) }
    for card in layout.offices { draw(card, in: &svg) }
    for card in layout.sites { draw(card, in: &svg) }
    svg.text(
      "note", x: NetworkLayout.margin, y: layout.height - 18,
      "Offices list sites in their order of preference; thick lines go to the first. Latency is one way, cost is per 10^9 bytes."
    )
    return svg.finished()
  }

  private func colour(_ site: Int) -> String { "c\(site % DrawingStyle.colourCount)" }

  private func draw(_ curve: NetworkLayout.Curve, in svg: inout SVGText) {
    let n = SVGText.number
    let bend = (curve.to.x - curve.from.x) * 0.5
    let data =
      "M\(n(curve.from.x)) \(n(curve.from.y)) C\(n(curve.from.x + bend)) \(n(curve.from.y)) "
      + "\(n(curve.to.x - bend)) \(n(curve.to.y)) \(n(curve.to.x)) \(n(curve.to.y))"
    svg.path("way rank\(min(curve.rank, 3)) line-\(colour(curve.site))", data, title: curve.title)
  }

  private func draw(_ arc: NetworkLayout.Arc, in svg: inout SVGText) {
    let n = SVGText.number
    let far = arc.x + arc.reach
    svg.path(
      "arc",
      "M\(n(arc.x)) \(n(arc.top)) C\(n(far)) \(n(arc.top)) \(n(far)) \(n(arc.bottom)) \(n(arc.x)) \(n(arc.bottom))",
      title: arc.title)
  }

  private func draw(_ card: NetworkLayout.OfficeCard, in svg: inout SVGText) {
    let frame = card.frame
    svg.begin("g", [("id", "office-\(card.shape.office.name)")])
    svg.rectangle("card", x: frame.x, y: frame.y, width: frame.width, height: frame.height, radius: 8)
    svg.text("name", x: frame.x + NetworkLayout.padding, y: frame.y + 23, card.shape.office.name)
    if let users = card.shape.office.traffic.users {
      svg.text("note", x: frame.right - NetworkLayout.padding, y: frame.y + 23, "\(users) users", anchor: .end)
    }
    for (index, row) in card.rows.enumerated() {
      draw(row, x: frame.x + NetworkLayout.padding, columns: layout.officeColumns, isStrong: index == 0, in: &svg)
    }
    if card.shape.further > 0 {
      let y = frame.bottom - 14
      svg.text("note", x: frame.x + NetworkLayout.padding + 16, y: y, "and \(card.shape.further) further")
    }
    svg.end()
  }

  private func draw(
    _ row: NetworkLayout.LinkRow, x: Double, columns: [Double], isStrong: Bool, in svg: inout SVGText
  ) {
    let y = row.middle + 4
    svg.add(
      "circle",
      [
        ("class", "fill-\(colour(row.site))"), ("cx", SVGText.number(x + 4)), ("cy", SVGText.number(row.middle)),
        ("r", isStrong ? "4.5" : "3"),
      ])
    svg.text(isStrong ? "data strong" : "data", x: x + 16, y: y, picture.topology.sites[row.site].name)
    var right = x + 16 + (columns.first ?? 0)
    for (column, fact) in row.columns.enumerated() {
      right += columns[column + 1]
      if fact.isEmpty { continue }
      svg.text(isStrong ? "data strong" : "data quiet", x: right, y: y, fact, anchor: .end)
    }
  }

  private func draw(_ card: NetworkLayout.SiteCard, in svg: inout SVGText) {
    let frame = card.frame
    let site = card.site
    svg.begin("g", [("id", "site-\(site.name)")])
    svg.rectangle("card", x: frame.x, y: frame.y, width: frame.width, height: frame.height, radius: 10)
    svg.rectangle(
      "fill-\(colour(site.id))", x: frame.x, y: frame.y + 10, width: 5, height: frame.height - 20, radius: 2.5)
    svg.text("name large", x: frame.x + NetworkLayout.padding + 4, y: frame.y + 27, site.name)
    var notes: [String] = []
    if site.cookie.value != site.name { notes.append("cookie \(site.cookie.value)") }
    if site.capacity > 0 { notes.append("capacity \(site.capacity)") }
    if let users = site.traffic.users, users > 0 { notes.append("\(users) users") }
    svg.text(
      "note", x: frame.right - NetworkLayout.padding, y: frame.y + 26, notes.joined(separator: ", "), anchor: .end)
    for tier in card.tiers {
      svg.text("note", x: frame.x + NetworkLayout.padding + 4, y: tier.baseline, tier.label)
      for chip in tier.chips {
        let box = chip.frame
        svg.rectangle("chip", x: box.x, y: box.y, width: box.width, height: box.height, radius: 5)
        svg.text("data", x: box.x + box.width / 2, y: box.y + 15.2, chip.text, anchor: .middle)
      }
    }
    if !card.rows.isEmpty {
      svg.text("note", x: layout.siteLinksX, y: frame.y + NetworkLayout.cardHeading + 23.5, "links to other sites")
    }
    for row in card.rows { draw(row, x: layout.siteLinksX, columns: layout.siteColumns, isStrong: false, in: &svg) }
    svg.end()
  }
}
