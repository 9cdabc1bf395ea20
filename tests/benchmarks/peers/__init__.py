"""The workload with other libraries, each in one file, in an environment of their own (`scripts/install peers`).

All carry out the same three local transactions on the same PostgreSQL, each made durable by the library's own means
before the next one begins: an order is placed; seats are taken, or are too few; the order is confirmed or cancelled.
My page is written by the third one: a transaction less than the product and the floor spend on it, and no Kafka in
between. Settings are what the library's documentation says for throughput, and tried out around it.
"""
