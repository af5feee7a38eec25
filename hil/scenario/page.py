def text(done, facts, findings, figures, store):
    return "<html></html>"
