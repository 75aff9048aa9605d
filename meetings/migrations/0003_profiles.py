"""The import profiles that come with the portal; staff edit them in the admin."""

from __future__ import annotations

from typing import Any

from django.db import migrations

# profile -> field -> headers; a width is that of the DBF field.
PROFILES: dict[str, dict[str, tuple[str | tuple[str, int], ...]]] = {
    "中国结算DBF(HST字段)": {
        "security_code": (("HSTTGDM", 9),),
        "account_no": (("HSTGDDM", 10),),
        "ymt_no": (("YMTZH", 12),),
        "holder_name": (("HSTGDQC", 80),),
        "short_name": (("HSTGDXM", 12),),
        "id_type": (("ZJLB", 2),),
        "id_no": (("ZJHM", 40),),
        "qty": (("HSTCYSL", 11),),
        "share_class": (("HSTZQLB", 2),),
        "circ_type": (("HSTLTLX", 1),),
        "right_type": (("HSTQYLB", 2),),
        "phone": (("LXDH", 20),),
        "address": (("HSTTXDZ", 40),),
    },
    "股东名册(现行表头)": {
        "security_code": ("证券代码", "股票代码", "ZQDM"),
        "account_no": ("证券账户号码", "股东代码", "股东账号", "证券账户", "ZQZH"),
        "ymt_no": ("一码通账户号码", "一码通"),
        "holder_name": ("持有人名称", "股东名称", "持有人全称"),
        "id_type": ("证件类型",),
        "id_no": ("证件号码", "身份证明文件号码"),
        "qty": ("持有数量", "持股数量", "持股总数", "CYSL"),
        "share_class": ("证券类别", "股份类别"),
        "circ_type": ("流通类型", "股份性质"),
        "right_type": ("权益类别",),
        "phone": ("联系电话", "手机号码", "移动电话"),
        "frozen_qty": ("质押/冻结总数",),
        "holder_type": ("持有人类别",),
        "address": ("通讯地址",),
        "zip": ("邮政编码",),
        "rank": ("名次", "序号", "名次/序号"),
        "ratio": ("持有比例",),
    },
    "名单": {
        "motion": ("议案序号", "议案编号", "议案"),
        "group": ("组别", "一致行动人组别"),
        "holder_name": ("姓名", "名称", "关联股东名称"),
        "phone": ("手机",),
    },
}


def ship(apps: Any, _schema_editor: Any) -> None:
    """Put in what is missing of the shipped profiles."""
    profiles = apps.get_model("meetings", "ImportProfile").objects
    headers = apps.get_model("meetings", "ImportHeader").objects
    for name, fields in PROFILES.items():
        profile, _made = profiles.get_or_create(name=name)
        for field, claimed in fields.items():
            for entry in claimed:
                header, width = entry if isinstance(entry, tuple) else (entry, None)
                headers.get_or_create(
                    header=header,
                    defaults={"profile": profile, "field": field, "dbf_width": width},
                )


class Migration(migrations.Migration):
    dependencies = [("meetings", "0002_partitions")]
    operations = [migrations.RunPython(ship, migrations.RunPython.noop)]
