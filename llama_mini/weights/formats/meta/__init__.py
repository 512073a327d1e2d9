"""Meta's layout: params.json, checklist.chk, and shards in consolidated.NN.pth."""
